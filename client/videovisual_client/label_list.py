"""Lists of clips and their labels, as data sets come with.

ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1                   UCF101, TSN, mmaction
v_ApplyEyeMakeup_g08_c01 117 0                                  mmaction: path, frames, label
label,youtube_id,time_start,time_end,split                      Kinetics
path,label                                                      any CSV with such a header
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from videovisual.utils.text import readable, shown
from videovisual_client.errors import InvalidRequest

CLASS_INDEX = "classInd.txt"
"""UCF101's names of its classes, beside its lists: `1 ApplyEyeMakeup`."""

_PATHS = ("path", "video_path", "filename", "file", "video", "clip", "name", "video_name", "id")
_LABELS = ("label", "class", "label_name", "class_name", "category", "action", "target")
_ID, _START, _END = "youtube_id", "time_start", "time_end"
_GAP = re.compile(r"[\s,;]+")
_NUMBER = re.compile(r"[0-9]{1,9}")

Places = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class ListedLabel:
    """A clip's class in a list: its name, or its number there, or neither."""

    name: str | None = None
    number: int | None = None


@dataclass(frozen=True)
class _Entry:
    """What one line may mean: paths, the likeliest first, and what stands behind each."""

    readings: Sequence[tuple[str, str]]


def read_list(file: Path, places: Places) -> tuple[dict[Path, ListedLabel], list[str]]:
    """Find the clips of a list.

    Args:
        file: lines `path label` or `path frames label`, or a CSV with a header; Kinetics' clips
            are called `ID_000001_000011`, `ID_1_11` or `ID`.
        places: the clips by each end of their paths, with and without suffix.

    Returns:
        The label of each clip, and the paths that no clip has.

    Raises:
        InvalidRequest: the file can't be read, has no column of labels, or gives a clip two labels.
    """
    try:
        text = file.read_text("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise InvalidRequest(
            f"The list {shown(str(file))} can't be read: {error.strerror}."
        ) from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    entries = list(_table(lines, file) if _has_header(lines) else map(_line, lines))
    found: list[tuple[Path, str]] = []
    missing = []
    for entry in entries:
        hit = next(
            ((place, rest) for path, rest in entry.readings if (place := _find(path, places))), None
        )
        if hit is None:
            missing.append(readable(entry.readings[-1][0]))
        else:
            found.append(hit)
    counted = bool(found) and all(re.fullmatch(r"\d+[\s,;]+\S.*", rest) for _, rest in found)
    texts = [_GAP.split(rest, maxsplit=1)[1] if counted else rest for _, rest in found]
    names = _class_names(file.with_name(CLASS_INDEX))
    if not {int(text) for text in texts if _NUMBER.fullmatch(text)} <= names.keys():
        names = {}
    labels: dict[Path, ListedLabel] = {}
    for (place, _), text in zip(found, texts, strict=True):
        label = _label(text, names)
        if labels.setdefault(place, label) != label:
            raise InvalidRequest(
                f"{shown(file.name)} gives {shown(place.name)} two labels. Keep one of them."
            )
    return labels, missing


def _find(path: str, places: Places) -> Path | None:
    """The one clip with this path, or with its end."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        for key in (tail, re.sub(r"\.\w{1,5}$", "", tail)):
            if len(places.get(key, ())) == 1:
                return places[key][0]
    return None


def _line(line: str) -> _Entry:
    """Readings of `path label`, where both may have spaces; the longest path comes first."""
    gaps = [match.span() for match in _GAP.finditer(line)]
    cuts = [(line[:start], line[end:]) for start, end in reversed(gaps)]
    return _Entry([(path.strip("\"'"), rest.strip("\"'")) for path, rest in ((line, ""), *cuts)])


def _has_header(lines: Sequence[str]) -> bool:
    first = re.split(r"[,;\t]", lines[0]) if lines else []
    cells = {cell.strip().strip('"').casefold() for cell in first}
    return len(cells) > 1 and bool(cells & {_ID, *_PATHS}) and bool(cells & {_ID, *_LABELS})


def _table(lines: Sequence[str], file: Path) -> Iterator[_Entry]:
    mark = next(mark for mark in ",;\t" if mark in lines[0])
    rows = csv.DictReader(lines, delimiter=mark, skipinitialspace=True)
    columns = {name.strip().casefold(): name for name in rows.fieldnames or ()}
    label = next((columns[name] for name in _LABELS if name in columns), None)
    path = next((columns[name] for name in (_ID, *_PATHS) if name in columns), None)
    if label is None or path is None:
        raise InvalidRequest(
            f"{shown(file.name)} has the columns {', '.join(map(shown, list(columns)[:8]))}, and "
            f"none is called {' or '.join(_LABELS[:2])}. Give the list that has the labels."
        )
    for row in rows:
        name, class_name = (row[path] or "").strip(), (row[label] or "").strip()
        start, end = (_whole(row.get(columns.get(each, ""))) for each in (_START, _END))
        paths = [name]
        if start is not None and end is not None:
            paths = [f"{name}_{start:06d}_{end:06d}", f"{name}_{start}_{end}", name]
        yield _Entry([(each, class_name) for each in paths])


def _whole(text: str | None) -> int | None:
    try:
        return int(float(text)) if text else None
    except ValueError:
        return None


def _label(text: str, names: Mapping[int, str]) -> ListedLabel:
    if not _NUMBER.fullmatch(text):
        return ListedLabel(readable(text) if text else None)
    number = int(text)
    return ListedLabel(names[number]) if number in names else ListedLabel(number=number)


def _class_names(file: Path) -> dict[int, str]:
    """The names of the classes in `classInd.txt`, by their numbers; empty without the file."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.split(None, 1) for line in lines if line.strip())
    return {
        int(pair[0]): pair[1].strip() for pair in pairs if len(pair) == 2 and pair[0].isdecimal()
    }
