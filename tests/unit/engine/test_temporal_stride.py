"""A network's stride in time, against its definition and on networks of many forms."""

from __future__ import annotations

import pytest
import torch
from tests import transformer
from torch import nn

import videovisual
from videovisual import Classifier, InputSpec, motion, zoo
from videovisual.engine.temporal_stride import temporal_stride
from videovisual.zoo.program.exporting import export

FRAMES = 8
CLIP = torch.randn(3, FRAMES, 16, 16, generator=torch.Generator().manual_seed(0))


class Volumes(nn.Module):
    """A convolution in space and time, and the mean of all that it gives."""

    def __init__(self, stride: int, kernel: int = 3) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 4, kernel, stride, padding=kernel // 2)
        self.later = nn.Conv3d(4, 2, 3, stride=2, padding=1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.later(self.first(clips).relu()).mean((2, 3, 4))


class Frames(nn.Module):
    """Every frame by itself: all as one batch, or one after the other."""

    def __init__(self, *, looped: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 3, 2)
        self.looped = looped

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        frames = clips.unbind(dim=2) if self.looped else [clips.transpose(1, 2).flatten(0, 1)]
        seen = torch.cat([self.first(each).mean((2, 3)) for each in frames])
        return seen.unflatten(0, (-1, len(clips))).mean(dim=0)


class Pathways(nn.Module):
    """A slow pathway before a fast one, which may be left out."""

    def __init__(self, *, fast: bool) -> None:
        super().__init__()
        self.slow, self.quick = nn.Conv3d(3, 2, 1), nn.Conv3d(3, 2, 1)
        self.fast = fast

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        slow = self.slow(clips[:, :, ::4]).mean((2, 3, 4))
        return slow + self.quick(clips).mean((2, 3, 4)) if self.fast else slow


class Careless(Volumes):
    """It goes on after any exception."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        try:
            return super().forward(clips)
        except Exception:
            return clips.mean((2, 3, 4))


class Flat(nn.Module):
    """No convolution of colours."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.flatten(1)[:, :2]


@pytest.mark.parametrize(
    ("network", "stride"),
    [
        (Volumes(1), 1),
        (Volumes(2), 2),
        (Volumes(4), 4),
        (Careless(2), 2),
        (Frames(), 1),
        (Frames(looped=True), 1),
        (Pathways(fast=True), 1),
        (Pathways(fast=False), 4),
        (Flat(), None),
    ],
)
def test_networks_of_any_form(network: nn.Module, stride: int | None) -> None:
    assert temporal_stride(network.eval(), CLIP) == stride


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_clip_moved_by_the_stride_moves_the_first_layer_by_one(stride: int) -> None:
    """The definition: fewer frames give another output. The clip is one whole period."""
    network = nn.Conv3d(3, 4, 3, stride, padding=1, padding_mode="circular").eval()
    found = temporal_stride(network, CLIP)
    assert found == stride
    before = network(CLIP[None])
    for moved in range(1, found + 1):
        after = network(CLIP[None].roll(moved, dims=2))
        alike = torch.allclose(after, before.roll(1, dims=2), atol=1e-5)
        assert alike == (moved == found)


@pytest.mark.parametrize(
    ("name", "stride"),
    [("i3d-motion", 2), ("r2plus1d-motion", 1), ("r3d-motion", 1), ("tsm-motion", 1)],
)
def test_the_zoo(name: str, stride: int) -> None:
    assert zoo.load(name).temporal_stride == stride


def test_every_map_tells_the_stride_of_its_network() -> None:
    saliency = videovisual.explain("i3d-motion", motion.sample(0).frames, "gradient")
    assert saliency.provenance["temporal_stride"] == 2


def test_a_transformer_of_tubelets_and_a_program_of_it() -> None:
    model = transformer.classifier(transformer.Transformer())
    assert model.temporal_stride == 2
    program, _ = export(model.network, model.card.input, torch.float32)
    assert Classifier(model.card, program).temporal_stride == 2


def test_what_is_known_by_its_scores_alone_has_none() -> None:
    model = Classifier.from_scores(
        lambda clips: clips.mean((2, 3, 4))[:, :2], ["a", "b"], InputSpec(frames=4, size=8)
    )
    assert model.temporal_stride is None
