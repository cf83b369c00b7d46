"""The order of a clip's pictures, which only their names tell."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import PurePosixPath

from videovisual.errors import MalformedClip
from videovisual.utils.frame_numbers import MAX_DIGITS, NUMBER, Number, numeric_order
from videovisual.utils.text import shown

PICTURE_SUFFIXES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".jfif": "jpeg"}
PICTURE_SUFFIXES |= {".webp": "webp", ".bmp": "bmp"}
"""Suffixes of pictures, in lower case, and the format that each stands for."""

_SHOWN = 5

_DATE = r"(?:19|20)\d\d(?P<d>[-_. ]?)\d\d(?P=d)\d\d(?:[-_ t.]+(?:at )?)?"
_STAMP = re.compile(
    rf"(?<!\d)(?:{_DATE}\d\d[-_.:h]?\d\d[-_.:m]?\d\d|\d\d[-_.:]\d\d[-_.:]\d\d"
    r"|(?:\d+h[-_ ]?)?\d+m[-_ ]?\d+)(?:[-_.,:s]\d+)?(?!\d)"
)
"""A date and time, or a time, with a counter or a fraction behind it."""

_HEX = re.compile(r"[0-9a-f]{1,16}", re.ASCII)


@dataclass(frozen=True)
class _Name:
    """A picture's name, taken apart.

    Attributes:
        name: as it was given.
        folder: its folder, "" for none.
        stem: without folder and a picture's suffix; NFKC, and without upper case.
        kind: the format that its suffix stands for, or "".
        texts: the parts of the stem between its numbers.
        numbers: its numbers.
    """

    name: str
    folder: str
    stem: str
    kind: str
    texts: tuple[str, ...]
    numbers: tuple[Number, ...]


Group = list[_Name]


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the names of one clip's pictures.

    Names of one sequence differ only in their numbers: whole numbers with or without padding,
    decimals, negative numbers, dates and times, in any script's digits; or hexadecimal numbers or
    single letters that follow one another. Upper and lower case are the same.

    Args:
        names: relative paths with `/`, each once.

    Raises:
        MalformedClip: the names are of more than one sequence, or don't tell the order.
    """
    parsed = [_parse(name) for name in names]
    if len(parsed) < 2:
        return [each.name for each in parsed]
    groups = _groups(parsed)
    if len(groups) == 1:
        return [each.name for each in _sorted(groups[0])]
    merged = _numbered_across_formats(groups) or _lettered(parsed)
    if merged is None:
        raise _several(groups)
    return [each.name for each in merged]


def _parse(name: str) -> _Name:
    path = PurePosixPath(name)
    kind = PICTURE_SUFFIXES.get(path.suffix.lower(), "")
    stem = unicodedata.normalize("NFKC", path.stem if kind else path.name).casefold()
    matches = list(NUMBER.finditer(stem))
    ends = [0, *(match.end() for match in matches)]
    starts = [*(match.start() for match in matches), len(stem)]
    texts = tuple(stem[end:start] for end, start in zip(ends, starts, strict=True))
    if any(len(match.group()) > MAX_DIGITS for match in matches):
        raise MalformedClip(
            f"{shown(name)!r} has a number of more than {MAX_DIGITS} digits. Number the pictures "
            "frame_000, frame_001, …"
        )
    folder = "" if path.parent == PurePosixPath() else str(path.parent)
    return _Name(name, folder, stem, kind, texts, tuple(map(Number.of, matches)))


def _groups(names: Iterable[_Name]) -> list[Group]:
    """The names that differ only in their numbers, together; the largest groups first."""

    def pattern(name: _Name) -> tuple[str, str, tuple[str, ...]]:
        return name.folder, name.kind, name.texts

    ordered = sorted(names, key=pattern)
    return sorted((list(group) for _, group in groupby(ordered, pattern)), key=len, reverse=True)


def _sorted(group: Group) -> Group:
    """One group in order of its numbers.

    Raises:
        MalformedClip: two pictures have the same numbers, or the order isn't certain.
    """
    columns = [numeric_order([name.numbers[at] for name in group]) for at in _places(group)]
    if None in columns:
        raise _unknown(group)
    varying = [column for column in columns if column is not None and len(set(column)) > 1]
    keys = list(zip(*varying, strict=True)) if varying else [()] * len(group)
    order = sorted(range(len(group)), key=keys.__getitem__)
    for before, after in pairwise(order):
        if keys[before] == keys[after]:
            raise MalformedClip(
                f"{shown(group[before].name)!r} and {shown(group[after].name)!r} have the same "
                "number, so their order is unknown. Keep one of them."
            )
    unique = [column for column in varying if len(set(column)) == len(column)]
    if unique:
        if any([column[index] for index in order] != sorted(column) for column in unique):
            raise _unknown(group, "; they have several numbers, which give different orders")
    elif not _are_stamps(group):
        fewest = min(varying, key=lambda column: len(set(column)))
        keyed = sorted(order, key=fewest.__getitem__)
        parts = groupby(keyed, key=fewest.__getitem__)
        raise _several([[group[index] for index in indices] for _, indices in parts])
    return [group[index] for index in order]


def _places(group: Group) -> range:
    return range(len(group[0].numbers))


def _are_stamps(group: Group) -> bool:
    """Whether all numbers that differ belong to a time, whose parts count together."""
    places = [at for at in _places(group) if len({name.numbers[at].text for name in group}) > 1]
    for name in group:
        first, last = name.numbers[places[0]], name.numbers[places[-1]]
        spans = (match.span() for match in _STAMP.finditer(name.stem))
        if not any(start <= first.start and last.end <= end for start, end in spans):
            return False
    return True


def _numbered_across_formats(groups: Sequence[Group]) -> Group | None:
    """Pictures of several formats whose numbers complete one another, in order; else None."""
    members = [name for group in groups for name in group]
    patterns = {(name.folder, name.texts) for name in members}
    if len(patterns) > 1 or not all(name.kind for name in members):
        return None
    numbers = [{tuple(each.plain for each in name.numbers) for name in group} for group in groups]
    if sum(map(len, numbers)) != len(set().union(*numbers)):
        return None
    return _sorted(members)


def _lettered(names: Sequence[_Name]) -> Group | None:
    """Hexadecimal numbers at equal distances, or consecutive letters, in order; else None."""
    if len({(name.folder, name.kind) for name in names}) > 1:
        return None
    stems = [name.stem for name in names]
    start = _common(stems)
    end = _common([stem[start:][::-1] for stem in stems])
    while start and _HEX.fullmatch(stems[0][start - 1]):
        start -= 1
    while end and _HEX.fullmatch(stems[0][-end]):
        end -= 1
    tokens = [stem[start : len(stem) - end] for stem in stems]
    if all(_HEX.fullmatch(token) for token in tokens):
        values = [int(token, 16) for token in tokens]
    elif min(tokens) == "a" and all(len(token) == 1 for token in tokens):
        values = [ord(token) for token in tokens]
    else:
        return None
    ordered = sorted(values)
    steps = {after - before for before, after in pairwise(ordered)}
    if len(steps) != 1 or 0 in steps or (steps != {1} and len(values) < 3):
        return None
    return [name for _, name in sorted(zip(values, names, strict=True), key=lambda each: each[0])]


def _common(texts: Sequence[str]) -> int:
    """The length of the beginning that all texts share."""
    low, high = min(texts), max(texts)
    same = (at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b)
    return next(same, min(len(low), len(high)))


def _several(groups: Sequence[Group]) -> MalformedClip:
    members = [name for group in groups for name in group]
    if all(len(group) == 1 and name.kind and not name.folder for group in groups for name in group):
        return _unknown(members)
    listed = [_described(group) for group in groups]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return MalformedClip(
        f"There is more than one sequence of pictures: {', '.join(listed[:_SHOWN])}{more}. A clip "
        "is one sequence: put the one that you want into a folder or zip of its own.",
        sequences=listed[: 10 * _SHOWN],
    )


def _unknown(group: Group, why: str = "") -> MalformedClip:
    names = ", ".join(shown(name.name) for name in group[:3])
    return MalformedClip(
        f"The order of the {len(group)} pictures is not certain from their names "
        f"({names}, …){why}. Name them frame_000, frame_001, …"
    )


def _described(group: Group) -> str:
    names = sorted((name.name for name in group), key=natural)
    if len(names) == 1:
        return f"{shown(names[0])} (1 file)"
    return f"{shown(names[0])} to {shown(names[-1])} ({len(names)} files)"


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key by which `clip2` comes before `clip10`; for lists, where the order is no matter."""
    parts = re.split(rf"(\d{{1,{MAX_DIGITS}}})", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
