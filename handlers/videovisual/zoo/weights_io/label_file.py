"""Class names in a file: one per line, numbered, a table, or JSON."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from videovisual.errors import WeightsError
from videovisual.utils.text import shown
from videovisual.utils.validation import repeated_name
from videovisual.zoo.card import check_labels

NAME_COLUMNS = ("class_key", "key", "name", "label", "class", "class_name", "label_name", "action")
NUMBER_COLUMN = re.compile(r"(\w*_)?(id|index|idx)")
HEADING = re.compile(r"\b(\w*_?(id|index|name|label|class))\b", re.IGNORECASE)
NUMBERED = re.compile(r"\s*([0-9]+)(?:\s*[:,;=\t]\s*|[.)]\s+|\s+-\s+|\s+)(\S.*)")
"""A line that begins with a number, and what follows."""

TRAILING = re.compile(r"(.*\S)(\s*[:,;=\t]\s*|\s+)([0-9]+)\s*")
"""A line that ends with a number."""

WAYS = (
    "Give one name per line, lines that all begin with their number, a CSV file with columns such "
    "as `id` and `name`, or JSON: a list of names, or an object of names and numbers."
)
PLAIN = "If the numbers belong to the names, give a JSON list of the names."


def read_label_file(path: Path, classes: int | None) -> tuple[str, ...]:
    """The class names in the order of the logits.

    Args:
        path: UTF-8 text, or UTF-16 with its mark. One class per line; lines `NUMBER NAME`, counted
            from 0 or 1; CSV whose header has a column of names, such as EPIC-Kitchens' `class_key`,
            and perhaps one of numbers, such as `verb_id`; a JSON list of names; or a JSON object
            from names to numbers or from numbers to names. Numbers decide the order.
        classes: the number of classes; None accepts any.

    Raises:
        WeightsError: the file is not text, has another number of classes, has an empty name or one
            twice, or its numbers have gaps or repeat.
    """
    text = _text(path)
    try:
        labels = tuple(label.strip() for label in _names(text))
    except _Unclear as unclear:
        raise WeightsError(f"The labels {path.name} {unclear}", path=str(path)) from None
    if not labels or not all(labels) or classes not in (None, len(labels)):
        needed = f"the model has {classes} classes" if classes else "each class needs a name"
        raise WeightsError(
            f"{path.name} has {len(labels)} class names, {labels.count('')} of them empty; "
            f"{needed}. {WAYS}",
            classes=classes,
            found=len(labels),
        )
    check_labels(labels)
    return labels


class _Unclear(ValueError):
    """A file with more than one reading, or none; the message goes on after the file's name."""


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"The labels {path} cannot be read as UTF-8 text: {error}.", path=str(path)
        ) from error
    if re.match(r"\s*<(!doctype|html|\?xml)", text, re.IGNORECASE):
        raise WeightsError(
            f"{path.name} is a web page, not a list of class names. Download the file itself.",
            path=str(path),
        )
    return text


def _names(text: str) -> Sequence[str]:
    if text.lstrip().startswith(("[", "{")):
        try:
            return _from_json(json.loads(text, object_pairs_hook=_pairs))
        except (json.JSONDecodeError, RecursionError):
            # A name may begin with a bracket.
            if text.lstrip().startswith("{"):
                raise _Unclear(f"begin with `{{` and are not valid JSON. {WAYS}") from None
    # Not `splitlines`, which also splits at characters that a name may contain.
    lines = re.split(r"\r\n|\r|\n", text.rstrip())
    return _from_table(lines) or _from_numbered(lines) or lines


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if repeated_name(pairs) is not None:
        raise _Unclear("have a key twice in a JSON object. Give each class once.")
    return dict(pairs)


def _from_json(data: Any) -> Sequence[str]:
    if isinstance(data, dict) and isinstance(data.get("id2label"), dict):
        data = data["id2label"]
    if isinstance(data, list) and all(isinstance(name, str) for name in data):
        return data
    if isinstance(data, dict):
        named = all(_is_number(value) for value in data.values())
        numbered = all(_is_number(key) and isinstance(value, str) for key, value in data.items())
        if named and not all(_is_number(key) for key in data):
            return _ordered((int(number), name) for name, number in data.items())
        if numbered and not named:
            return _ordered((int(number), name) for number, name in data.items())
    raise _Unclear(
        "are JSON, but neither a list of names nor an object from names to numbers or from numbers "
        "to names."
    )


def _is_number(value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or (isinstance(value, str) and value.isascii() and value.isdecimal())


def _from_table(lines: Sequence[str]) -> Sequence[str] | None:
    """The names of a table with a header; None where the first line is none."""
    delimiter = max("\t;,", key=lines[0].count)
    try:
        head, *rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    except csv.Error:
        return None
    columns = [cell.strip().lower() for cell in head]
    if len(columns) < 2 and columns != ["class_key"]:
        return None
    numbers = [index for index, name in enumerate(columns) if NUMBER_COLUMN.fullmatch(name)]
    names = [columns.index(name) for name in NAME_COLUMNS if name in columns]
    if not names and len(columns) == 2 and len(numbers) == 1:
        names = [1 - numbers[0]]
    cells = [row for row in rows if row]
    if not names:
        return None
    if not numbers and columns[names[0]] != "class_key":
        if all(len(row) == len(columns) for row in cells):
            raise _Unclear(
                f"look like a table with the columns {shown(', '.join(columns))} and no numbers. "
                f"Add a column `id`, or leave the header and the other columns out. {PLAIN}"
            )
        return None
    if any(len(row) <= max(names[0], *numbers[:1]) for row in cells):
        raise _Unclear("are a table with a row that is too short. Give every row all columns.")
    if not numbers:
        return [row[names[0]] for row in cells]
    found = [(row[numbers[0]].strip(), row[names[0]].strip()) for row in cells]
    for number, name in found:
        if not _is_number(number):
            raise _Unclear(
                f"have {shown(number)!r} as the number of {shown(name)!r}. Give a number."
            )
    return _ordered((int(number), name) for number, name in found)


def _from_numbered(lines: Sequence[str]) -> Sequence[str] | None:
    """The names of lines with numbers; None where the numbers are parts of the names."""
    first = bool(len(lines) > 2 and HEADING.search(lines[0]) and not NUMBERED.fullmatch(lines[0]))
    found = [NUMBERED.fullmatch(line) for line in lines[first:]]
    pairs = [(int(each[1]), _unquoted(each[2])) for each in found if each]
    if len(pairs) == len(found):
        return _ordered(pairs, PLAIN)
    in_place = sum(
        each is not None and int(each[1]) in (place, place + 1) for place, each in enumerate(found)
    )
    if in_place > len(found) / 2:
        raise _Unclear(f"have a number in most lines, and not in all. {PLAIN}")
    ends = [TRAILING.fullmatch(line) for line in lines]
    last = [(int(each[3]), _unquoted(each[1])) for each in ends if each]
    if len(last) < len(lines) or not _is_complete([number for number, _ in last]):
        return None
    if all(each and each[2].strip(" ") for each in ends):
        return _ordered(last)
    if [number for number, _ in last] != sorted(number for number, _ in last):
        raise _Unclear(f"end with numbers that are not in order. {PLAIN}")
    return None


def _unquoted(name: str) -> str:
    """A CSV cell's text."""
    name = name.strip()
    quoted = len(name) > 1 and name.startswith('"') and name.endswith('"')
    return next(csv.reader([name]))[0] if quoted else name


def _is_complete(numbers: Sequence[int]) -> bool:
    return sorted(numbers) in (list(range(len(numbers))), list(range(1, len(numbers) + 1)))


def _ordered(
    pairs: Iterator[tuple[int, str]] | Sequence[tuple[int, str]], advice: str = ""
) -> list[str]:
    """The names in the order of their numbers.

    Raises:
        _Unclear: the numbers are not 0, 1, 2, … or 1, 2, 3, …, each once.
    """
    found = list(pairs)
    by_number: Mapping[int, str] = dict(found)
    numbers = [number for number, _ in found]
    if not _is_complete(numbers):
        twice = [number for number, count in Counter(numbers).items() if count > 1]
        start = min(numbers, default=0) and 1
        absent = [
            number for number in range(start, start + len(numbers)) if number not in by_number
        ]
        problem = f"{twice[0]} is there twice" if twice else f"{(absent or [0])[0]} is missing"
        raise _Unclear(
            f"number {len(numbers)} classes, and {problem}. Number them 0, 1, 2, … or 1, 2, 3, …, "
            f"each once. {advice}".rstrip()
        )
    return [by_number[number] for number in sorted(by_number)]
