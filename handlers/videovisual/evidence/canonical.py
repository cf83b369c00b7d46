"""Canonical JSON as of RFC 8785: one value has one text, to the last byte."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from videovisual.errors import InvalidEvidence
from videovisual.utils.extras import needs
from videovisual.utils.text import shown
from videovisual.utils.validation import repeated_name

MAX_EXACT = 2**53 - 1
"""The largest whole number that JSON's numbers, which are doubles, hold exactly."""


def dumps(value: Any) -> bytes:
    """The canonical text of a JSON value.

    Raises:
        InvalidEvidence: it holds NaN, infinity, a number that a double doesn't hold, or text that
            is not Unicode.
        MissingExtra: the extra `evidence` is not installed.
    """
    with needs("evidence", "Without them, save the answer as json or npz."):
        import rfc8785  # noqa: PLC0415
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidEvidence(
            f"This has no canonical JSON: {shown(error, 200)}. Numbers are finite doubles, and "
            "text is Unicode."
        ) from None


def loads(data: bytes, what: str) -> Any:
    """The value of a canonical text.

    Args:
        data: the text.
        what: its name for messages.

    Raises:
        InvalidEvidence: it is no JSON, or not in the canonical form.
        MissingExtra: as `dumps`.
    """
    value = parse(data, what, _number)
    if dumps(value) != data:
        raise InvalidEvidence(
            f"{what} was changed: it is JSON, but not in its canonical form (RFC 8785), in which "
            "every record is written. Use the file as it was written."
        )
    return value


def parse(data: bytes, what: str, whole: Callable[[str], int | float] = int) -> Any:
    """The value of any JSON text, canonical or not.

    Args:
        data: the text.
        what: its name for messages.
        whole: reads a whole number.

    Raises:
        InvalidEvidence: it is no JSON: not UTF-8, nested too deeply, a name given twice, a number
            too large.
    """
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_each_once,
            parse_constant=_no_constant,
            parse_int=whole,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidEvidence(
            f"{what} is damaged: it is no JSON that can be read ({shown(error, 200)}). Use the "
            "file as it was written."
        ) from None


def exact(value: Any) -> Any:
    """The same value with whole numbers that no double holds as text, as RFC 8785 advises."""
    if isinstance(value, Mapping):
        return {name: exact(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [exact(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_EXACT:
        return str(value)
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    name = repeated_name(pairs)
    if name is not None:
        raise ValueError(f"{shown(name)!r} is given twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _number(text: str) -> int | float:
    """The canonical text of a large double is a whole number."""
    number = int(text)
    return _finite(text) if abs(number) > MAX_EXACT else number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shown(text)} is too large a number")
    return number
