"""The labels of a folder of clips, and the classes of the model."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from videovisual_client.collection import NamedClip


def named(
    clips: Sequence[NamedClip], classes: Sequence[str] | None
) -> tuple[list[NamedClip], str | None]:
    """The clips with names for the numbers of their list, and a remark on how it counts.

    The class folders tell whether numbers count from 0 or 1; without any, the numbers themselves:
    the highest is the number of classes where they count from 1.

    Args:
        clips: of a folder.
        classes: of the model, by index; None if unknown, which leaves clips unlabelled.
    """
    numbers = [clip.number for clip in clips if clip.number is not None]
    if not numbers:
        return list(clips), None
    if classes is None:
        return list(clips), "the model's classes are not known, so numbers are no labels"
    first = _first(clips, classes)
    resolved = []
    for clip in clips:
        if clip.number is not None:
            index = clip.number - first
            known = 0 <= index < len(classes)
            clip = replace(clip, label=classes[index] if known else str(clip.number))  # noqa: PLW2901
        resolved.append(clip)
    return resolved, f"the list's labels are numbers, and read as counting from {first}"


def _first(clips: Sequence[NamedClip], classes: Sequence[str]) -> int:
    numbers = [clip.number for clip in clips if clip.number is not None]
    fits: Counter[int] = Counter()
    for clip in clips:
        for first in (0, 1):
            index = -1 if clip.number is None else clip.number - first
            if 0 <= index < len(classes):
                fits[first] += _plain(clip.path.parent.name) == _plain(classes[index])
    if fits[0] != fits[1]:
        return 0 if fits[0] > fits[1] else 1
    return 1 if min(numbers) > 0 and max(numbers) == len(classes) else 0


def class_of(label: str, classes: Sequence[str]) -> str | None:
    """The one class that a label names, up to case, spaces and punctuation; None for none."""
    if label in classes:
        return label
    same = [name for name in classes if _plain(name) == _plain(label)]
    return same[0] if len(same) == 1 else None


def _plain(label: str) -> str:
    return re.sub(r"[\W_]+", " ", label.casefold()).strip()
