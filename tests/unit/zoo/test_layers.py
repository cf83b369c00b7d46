"""Grad-CAM's default layer: the last one that has places, and a gradient at them."""

from __future__ import annotations

import pytest
import torch
from tests.transformer import INPUT, Transformer, classifier
from torch import nn

from videovisual.zoo import Classifier


@pytest.mark.parametrize(
    ("class_token", "divided", "layer"),
    [
        (None, False, "blocks"),
        (None, True, "blocks"),
        ("first", False, "blocks.1"),
        ("last", False, "blocks.1"),
    ],
)
def test_a_transformers_layer(class_token: str | None, divided: bool, layer: str) -> None:
    network = Transformer(class_token=class_token, divided=divided)  # type: ignore[arg-type]
    assert classifier(network).card.cam_layer == layer


class Separate(nn.Module):
    """Attention with a layer for each of queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        weights = (self.query(tokens) @ self.key(tokens).transpose(1, 2)).softmax(dim=-1)
        attended: torch.Tensor = weights @ self.value(tokens)
        return attended


def test_one_of_several_projections_is_not_chosen() -> None:
    network = Transformer(class_token="first")
    for block in network.blocks:
        block.attention = Separate()
    assert classifier(network).card.cam_layer == "blocks.1"


class FirstPatch(Transformer):
    """Reads its answer from the token of one patch, so the last outputs have a gradient there."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(clips).flatten(2).transpose(1, 2)
        logits: torch.Tensor = self.head(self.norm(self.blocks(tokens + self.place))[:, 0])
        return logits


def test_a_gradient_at_one_place_is_no_map() -> None:
    assert classifier(FirstPatch()).card.cam_layer == "blocks.1"


class Convolutions(nn.Module):
    """Ends in a mean over space, and may have no gradient at all."""

    def __init__(self, *, rounded: bool = False) -> None:
        super().__init__()
        self.rounded = rounded
        self.first, self.second = nn.Conv3d(3, 4, 3), nn.Conv3d(4, 4, 3)
        self.pool = nn.AdaptiveAvgPool3d(1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        if self.rounded:
            clips = clips.round().to(torch.int8).float().detach()
        logits: torch.Tensor = self.pool(self.second(self.first(clips).relu()))[:, :3, 0, 0, 0]
        return logits


@pytest.mark.parametrize("rounded", [False, True])
def test_the_last_convolution_of_others(rounded: bool) -> None:
    network = Convolutions(rounded=rounded)
    assert classifier(network).card.cam_layer == "second"


def test_a_network_without_places_has_none() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 24 * 32, 3))
    assert Classifier.from_module(network, ["a", "b", "c"], INPUT).card.cam_layer == ""


class Twice(nn.Module):
    """Ends in a module that runs twice, so that it has no activation of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv3d(3, 3, 3), nn.ReLU()

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.again(self.again(self.first(clips)) - 0.5).mean((2, 3, 4))  # type: ignore[no-any-return]


def test_a_module_that_runs_twice_is_not_chosen() -> None:
    assert classifier(Twice()).card.cam_layer == "first"
