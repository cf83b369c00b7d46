"""The numbers in the names of pictures, and what they count."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

MAX_DIGITS = 40
"""Longer numbers are refused; time stamps in nanoseconds have 19 digits."""

NUMBER = re.compile(r"[-+\u2212]?(?:(?<![\d.,])\d+[.,]\d+(?![.,]?\d)|\d+)")
"""A number, perhaps with a sign and decimals. Which they are, only all names together tell."""

_SPARSE = 4
"""Counters fill at least one in so many of their numbers."""

Key = tuple[Decimal | int, ...]


@dataclass(frozen=True)
class Number:
    """A number in a name.

    Attributes:
        text: its digits, and a point with more digits.
        minus: whether a minus stands before it.
        joined: whether a letter or digit stands before the sign.
        start, end: its place in the name.
    """

    text: str
    minus: bool
    joined: bool
    start: int
    end: int

    @classmethod
    def of(cls, match: re.Match[str]) -> "Number":
        """The number of a match of `NUMBER`."""
        text, start = match.group(), match.start()
        joined = start > 0 and match.string[start - 1].isalnum()
        digits = text.lstrip("-+\u2212").replace(",", ".")
        return cls(digits, text[0] in "-\u2212", joined, start, match.end())

    @property
    def plain(self) -> Decimal:
        """Its value as a decimal, without the sign."""
        return Decimal(self.text)

    @property
    def parts(self) -> tuple[int, ...]:
        """Its value as whole numbers with a point between them: version 1.10 follows 1.9."""
        return tuple(map(int, self.text.split(".")))


def numeric_order(numbers: Sequence[Number]) -> list[Key] | None:
    """Sort keys of the numbers that stand at one place of all names; None where that is unsure."""
    magnitudes = _magnitudes(numbers)
    if magnitudes is None or not any(number.minus for number in numbers):
        return magnitudes
    if all(number.minus for number in numbers):
        if all(number.joined for number in numbers):
            return magnitudes  # A dash between words.
        return magnitudes if len(set(magnitudes)) == 1 else None
    signed: list[Key] = [
        tuple(-part for part in key) if number.minus else key
        for number, key in zip(numbers, magnitudes, strict=True)
    ]
    # `frame-1` beside `frame2` is a dash; beside `frame0` or `frame1` it is a minus.
    is_minus = not any(number.joined for number in numbers if number.minus) or (
        len(set(magnitudes)) < len(magnitudes) or any(not any(key) for key in magnitudes)
    )
    return signed if is_minus else None


def _magnitudes(numbers: Sequence[Number]) -> list[Key] | None:
    decimals: list[Key] = [(number.plain,) for number in numbers]
    fractions = [number.text.partition(".")[2] for number in numbers]
    if len(set(map(len, fractions))) == 1:
        return decimals
    counters: list[Key] = [number.parts for number in numbers]
    looks_decimal = (
        any(not fraction or (len(fraction) > 1 and fraction[0] == "0") for fraction in fractions)
        or _is_even([number.plain for number in numbers])
        or _is_sparse(counters)
    )
    looks_counted = any(len(fraction) > 1 and fraction[-1] == "0" for fraction in fractions)
    if looks_decimal == looks_counted:
        return None
    return decimals if looks_decimal else counters


def _is_even(values: Sequence[Decimal]) -> bool:
    """Whether the values lie at equal distances, but for the rounding of one digit."""
    ordered = sorted(set(values))
    steps = [after - before for before, after in itertools.pairwise(ordered)]
    exponents = [value.as_tuple().exponent for value in values]
    digit = Decimal(1).scaleb(min(each for each in exponents if isinstance(each, int)))
    return len(steps) > 1 and max(steps) - min(steps) <= digit


def _is_sparse(counters: Sequence[Key]) -> bool:
    """Whether the numbers behind the point leave out most numbers of their range."""
    by_major: dict[Decimal | int, list[Decimal | int]] = {}
    for major, *minor in counters:
        by_major.setdefault(major, []).extend(minor)
    span = sum(max(minors) - min(minors) + 1 for minors in by_major.values() if minors)
    return span > _SPARSE * len(counters)
