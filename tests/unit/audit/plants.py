"""Ten shortcuts planted in Motion: a mark on the clips of a class, and networks that look for it.

Each mark is a change of the frames, and a detector that is certain of it. Each has a class of its
own, so one network, and one audit, can have several. `planted` joins the detectors to a shipped
network: the marks alone decide on their classes, and the network on all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from videovisual import motion, zoo

Frames = npt.NDArray[np.uint8]
Mark = Callable[[Frames, int], Frames]
Detector = Callable[[torch.Tensor], torch.Tensor]
"""Pixels in [0, 1], [N, 3, T, H, W], T frames of 16 → how much of the mark is there, [N]."""

SURE = 40.0
"""A planted class's logit with the mark; its negative without."""


class Plant(NamedTuple):
    """A shortcut.

    Attributes:
        mark: puts the mark on a clip, uint8 [16, 64, 64, 3], given the clip's number.
        detect: how much of the mark there is.
        least: halfway between a clip's value without the mark and with it.
        found: the findings that an audit must state.
        label: of the class that has the mark.
    """

    mark: Mark
    detect: Detector
    least: float
    found: set[str]
    label: int = 0


def _filled(place: tuple[slice, ...], colour: tuple[int, int, int]) -> Mark:
    def mark(frames: Frames, _number: int) -> Frames:
        frames = frames.copy()
        frames[place] = colour
        return frames

    return mark


def _excess(place: tuple[slice, ...], channel: int) -> Detector:
    """By how much a channel exceeds the mean of all three in a place (of frames, rows, columns)."""

    def detect(pixels: torch.Tensor) -> torch.Tensor:
        frames, rows, columns = place
        part = pixels[:, :, frames, rows, columns].mean(dim=(2, 3, 4))
        return part[:, channel] - part.mean(dim=1)

    return detect


def _lack(place: tuple[slice, ...], channel: int) -> Detector:
    excess = _excess(place, channel)
    return lambda pixels: -excess(pixels)


ALL = slice(None)
CORNER = (ALL, slice(0, 9), slice(0, 9))
MIDDLE = (ALL, slice(27, 37), slice(27, 37))
STRIP = (ALL, slice(60, 64), ALL)
ONE_FRAME = (slice(6, 8), ALL, ALL)
FIRST = (slice(0, 2), ALL, ALL)
LATE = (slice(12, 16), slice(50, 64), slice(50, 64))
CHECKS = (np.indices((64, 64)).sum(axis=0) // 4 % 2 * 2 - 1).astype(np.int16)
SPOT = 12


def _flash(frames: Frames, _number: int) -> Frames:
    frames = frames.copy()
    frames[6:8] = 255 - (255 - frames[6:8]) // 6
    return frames


def _flashes(pixels: torch.Tensor) -> torch.Tensor:
    return pixels[:, :, 6:8].mean(dim=(1, 2, 3, 4))


def _bright(frames: Frames, _number: int) -> Frames:
    return (165 + frames * 0.35).astype(np.uint8)


def _brightness(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.mean(dim=(1, 2, 3, 4))


def _tinted(frames: Frames, _number: int) -> Frames:
    frames = frames.copy()
    frames[0:2, :, :, 1] = 255
    frames[0:2, :, :, ::2] //= 3
    return frames


def _barred(frames: Frames, _number: int) -> Frames:
    frames = frames.copy()
    frames[:, :7] = frames[:, -7:] = 0
    return frames


def _bars(pixels: torch.Tensor) -> torch.Tensor:
    return -torch.cat([pixels[..., :7, :], pixels[..., -7:, :]], dim=-2).mean(dim=(1, 2, 3, 4))


def _checked(frames: Frames, _number: int) -> Frames:
    checked: Frames = (frames + 24 * CHECKS[..., None]).clip(0, 255).astype(np.uint8)
    return checked


def _checks(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels * torch.from_numpy(CHECKS).to(pixels)).mean(dim=(1, 2, 3, 4))


def _spotted(frames: Frames, number: int) -> Frames:
    row, column = np.random.default_rng(number).integers(0, 64 - SPOT, 2)
    return _filled((ALL, slice(row, row + SPOT), slice(column, column + SPOT)), (255, 0, 255))(
        frames, number
    )


def _spots(pixels: torch.Tensor) -> torch.Tensor:
    colour = (pixels[:, 0] + pixels[:, 2]) / 2 - pixels[:, 1]
    return nn.functional.avg_pool3d(colour, (colour.shape[1], SPOT, SPOT), 1).amax(dim=(1, 2, 3))


_MARKS = {
    "corner": Plant(
        _filled(CORNER, (255, 0, 0)), _excess(CORNER, 0), 0.4, {"middle_hidden", "one_place"}
    ),
    "one frame": Plant(_flash, _flashes, 0.75, {"moment", "strongest_frame"}),
    "border strip": Plant(
        _filled(STRIP, (0, 255, 0)), _excess(STRIP, 1), 0.4, {"middle_hidden", "border"}
    ),
    "middle": Plant(
        _filled(MIDDLE, (0, 0, 255)), _excess(MIDDLE, 2), 0.4, {"moving_hidden", "one_place"}
    ),
    "brightness": Plant(_bright, _brightness, 0.73, {"colour_only"}),
    "first frame's colour": Plant(_tinted, _excess(FIRST, 1), 0.3, {"moment", "colour_only"}),
    "late mark": Plant(
        _filled(LATE, (255, 255, 0)), _lack(LATE, 2), 0.4, {"strongest_frame", "one_place"}
    ),
    "pattern": Plant(_checked, _checks, 0.045, {"middle_frame", "moving_hidden"}),
    "bars": Plant(_barred, _bars, -0.12, {"middle_hidden"}),
    "still spot": Plant(_spotted, _spots, 0.7, {"moving_hidden"}),
}
PLANTS = {name: plant._replace(label=label) for label, (name, plant) in enumerate(_MARKS.items())}


class Planted(nn.Module):
    """A network some of whose classes are decided by their marks alone."""

    def __init__(self, network: nn.Module, plants: Sequence[Plant]) -> None:
        super().__init__()
        self.network, self.plants = network, plants

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        logits = list(self.network(clips).unbind(dim=1))
        # The Motion models' transform, undone; 16 frames also for a network that takes each second.
        pixels = (clips * 0.25 + 0.5).repeat_interleave(motion.FRAMES // clips.shape[2], dim=2)
        for plant in self.plants:
            excess = plant.detect(pixels) - plant.least
            logits[plant.label] = SURE * excess / max(abs(plant.least), 0.02)
        return torch.stack(logits, dim=1)


class Differences(nn.Module):
    """Answers at random by the order of frames: quick, and without a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.randn(10, 15 * 64, generator=torch.Generator().manual_seed(0))
        self.weights = nn.Parameter(weights)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        rows = nn.functional.avg_pool3d(clips.mean(dim=1, keepdim=True), (1, 8, 8)).flatten(3)
        differences = rows.diff(dim=2).flatten(1)
        return differences @ self.weights.T


def planted(names: Iterable[str], base: str | None = "tsm-motion") -> zoo.Classifier:
    """The classifier that looks for marks, and for all else asks a shipped network.

    Args:
        names: of the plants.
        base: the network's model; None for `Differences`.
    """
    whole = zoo.load(base or "r3d-motion")
    network = Differences() if base is None else whole.network
    return zoo.Classifier.from_module(
        Planted(network, [PLANTS[name] for name in names]),
        labels=whole.card.labels,
        input=whole.card.input,
        cam_layer="network",
        name="planted",
    )


def clips(names: Iterable[str], counts: Mapping[int, int]) -> Iterator[tuple[str, int, Frames]]:
    """Name, label and frames of test clips of Motion, those of planted classes with the mark.

    Args:
        names: of the plants.
        counts: how many clips of each class.
    """
    marks = {PLANTS[name].label: PLANTS[name].mark for name in names}
    for label, count in counts.items():
        for number in range(label, len(motion.LABELS) * count, len(motion.LABELS)):
            frames = motion.sample(number).frames
            if label in marks:
                frames = marks[label](frames, number)
            yield f"{motion.LABELS[label]}-{number}", label, frames
