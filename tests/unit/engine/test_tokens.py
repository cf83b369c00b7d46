"""The places of a transformer's tokens, and of a layer's activations, are told by tracing."""

from __future__ import annotations

from math import prod
from typing import Literal

import pytest
import torch
from tests.transformer import DEPTH, GRID, WIDTH, Transformer
from torch import nn

from videovisual.engine.activations import Places
from videovisual.engine.tokens import trace
from videovisual.errors import UnsuitableMethod
from videovisual.zoo import Classifier

CLIP = torch.zeros(3, 8, 24, 32)
COUNT = prod(GRID)


@pytest.mark.parametrize("order", ["thw", "hwt"])
@pytest.mark.parametrize("class_token", ["first", "last", None])
def test_order_and_class_token_are_found(
    order: Literal["thw", "hwt"], class_token: Literal["first", "last"] | None
) -> None:
    tokens = trace(Transformer(class_token=class_token, order=order), CLIP)
    expected = torch.arange(COUNT).view(GRID)
    if order == "hwt":
        expected = torch.arange(COUNT).view(*GRID[1:], GRID[0]).movedim(-1, 0)
    assert tokens.grid == GRID
    assert tokens.cells == tuple((expected + (class_token == "first")).flatten().tolist())
    assert tokens.extra == {"first": (0,), "last": (COUNT,), None: ()}[class_token]


class Frames(Transformer):
    """With patches of single frames, whose tokens are in the order of rows, columns, frames."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 8, stride=8)  # type: ignore[assignment]

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        clips = clips[:, :, ::2]
        cells = self.patches(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (-1, GRID[0]))
        tokens = cells.permute(0, 3, 4, 1, 2).flatten(1, 3)
        logits: torch.Tensor = self.head(self.blocks(tokens).mean(dim=1))
        return logits


def test_patches_of_single_frames_are_found() -> None:
    tokens = trace(Frames(), CLIP)
    assert tokens.grid == GRID
    assert tokens.cells[: GRID[2]] == (0, 4, 8, 12)


class Mixed(Transformer):
    """Mixes its patches before the first attention."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        cells = self.patches(clips)
        tokens = (cells + cells.flip(4)).flatten(2).transpose(1, 2)
        logits: torch.Tensor = self.head(self.blocks(tokens).mean(dim=1))
        return logits


def test_mixed_patches_are_refused() -> None:
    with pytest.raises(UnsuitableMethod, match="places of the network's tokens can't be told"):
        trace(Mixed(), CLIP)


def test_a_network_without_attention_is_refused(small: Classifier) -> None:
    with pytest.raises(UnsuitableMethod, match="The network has no attention"):
        trace(small.network, torch.zeros(3, 16, 64, 64))


def numbered(grid: tuple[int, int, int], channels: int = 5) -> torch.Tensor:
    """Activations [2, C, t, h, w] that differ everywhere."""
    return torch.arange(2.0 * channels * prod(grid)).view(2, channels, *grid)


@pytest.mark.parametrize("order", ["thw", "hwt"])
@pytest.mark.parametrize("class_token", ["first", "last", None])
def test_tokens_are_arranged(
    order: Literal["thw", "hwt"], class_token: Literal["first", "last"] | None
) -> None:
    expected = numbered(GRID)
    cells = expected if order == "thw" else expected.movedim(2, -1)
    tokens = cells.flatten(2).transpose(1, 2)
    places = Places(Transformer(class_token=class_token, order=order), CLIP)
    own = torch.full((2, 1, 5), -1.0)
    parts = {"first": [own, tokens], "last": [tokens, own], None: [tokens]}[class_token]
    for output in (torch.cat(parts, dim=1), tokens):
        arranged = places.arrange(output, 2)
        assert arranged is not None
        assert torch.equal(arranged, expected)
    assert places.arrange(tokens[:, 1:], 2) is None


def test_tokens_of_single_frames_are_arranged() -> None:
    expected = numbered(GRID)
    tokens = expected.permute(0, 2, 3, 4, 1).flatten(2, 3).flatten(0, 1)
    own = torch.full((2 * GRID[0], 1, 5), -1.0)
    for class_token, output in ((None, tokens), ("first", torch.cat([own, tokens], dim=1))):
        arranged = Places(Transformer(class_token=class_token), CLIP).arrange(output, 2)  # type: ignore[arg-type]
        assert arranged is not None
        assert torch.equal(arranged, expected)


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((2, 5, 4, 3, 4), (0, 1, 2, 3, 4)),
        ((2, 4, 3, 4, 40), (0, 4, 1, 2, 3)),
        ((2, 4, 12, 16, 96), (0, 4, 1, 2, 3)),
        ((2, 96, 1, 1, 1), (0, 1, 2, 3, 4)),
        ((2, 4, 24, 32, 3), (0, 4, 1, 2, 3)),
    ],
)
def test_channels_may_be_first_or_last(shape: tuple[int, ...], order: tuple[int, ...]) -> None:
    output = torch.randn(shape)
    arranged = Places(nn.Identity(), CLIP).arrange(output, 2)
    assert arranged is not None
    assert torch.equal(arranged, output.permute(order))


def test_single_frames_are_stacked_along_time() -> None:
    output = torch.randn(8, 5, 3, 4)
    arranged = Places(nn.Identity(), CLIP).arrange(output, 2)
    assert arranged is not None
    assert torch.equal(arranged[1, :, 2], output[6])


@pytest.mark.parametrize("shape", [(2, 5), (2, 2, 48, 48), (3, 5, 3, 4), (2, 1, 5)])
def test_outputs_without_places_are_none(shape: tuple[int, ...]) -> None:
    assert Places(nn.Identity(), CLIP).arrange(torch.randn(shape), 2) is None


class Pooling(Transformer):
    """Halves the tokens' grid before the last block."""

    def __init__(self) -> None:
        super().__init__(class_token="first")
        self.pool = nn.MaxPool3d((1, 1, 2))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(clips).flatten(2).transpose(1, 2)
        own = self.token.expand(len(tokens), -1, -1)
        tokens = self.blocks[0](torch.cat([own, tokens], dim=1) + self.place)
        pooled = self.pool(tokens[:, 1:].transpose(1, 2).unflatten(2, GRID))
        tokens = torch.cat([tokens[:, :1], pooled.flatten(2).transpose(1, 2)], dim=1)
        logits: torch.Tensor = self.head(self.blocks[DEPTH - 1](tokens)[:, 0])
        return logits


def test_pooled_tokens_have_the_grid_of_their_pooling() -> None:
    expected = numbered((4, 3, 2))
    tokens = torch.cat([torch.zeros(2, 1, 5), expected.flatten(2).transpose(1, 2)], dim=1)
    arranged = Places(Pooling(), CLIP).arrange(tokens, 2)
    assert arranged is not None
    assert torch.equal(arranged, expected)
