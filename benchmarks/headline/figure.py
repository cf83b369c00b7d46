"""A figure with its repetitions, and the judgement of a new one against a kept one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal, TypeVar

Better = Literal["higher", "lower"]
Verdict = Literal["equal", "better", "fell", "missing", "new"]

FAILURES: tuple[Verdict, ...] = ("fell", "missing")

FLOOR = 0.03
"""Least spread that counts, as a share of the median: few repetitions may agree by chance."""

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """One measure of one run.

    Attributes:
        group: of the groups that the command can select.
        measure: what was measured, unique.
        values: one for each repetition; ratios, or scores.
        better: which direction is an improvement.
    """

    group: str
    measure: str
    values: tuple[float, ...]
    better: Better = "higher"

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> float:
        """The range of the repetitions, at least `FLOOR` of the median."""
        return max(max(self.values) - min(self.values), FLOOR * abs(self.median))

    def to_json(self) -> dict[str, Any]:
        return {
            "group": self.group,
            "measure": self.measure,
            "better": self.better,
            "minimum": min(self.values),
            "median": self.median,
            "maximum": max(self.values),
            "values": list(self.values),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Figure:
        return cls(data["group"], data["measure"], tuple(data["values"]), data["better"])


@dataclass(frozen=True)
class Comparison:
    """A kept figure and the new one; either may be missing."""

    kept: Figure | None
    now: Figure | None

    @property
    def measure(self) -> str:
        figure = self.now or self.kept
        return figure.measure if figure else ""

    @property
    def verdict(self) -> Verdict:
        """Whether the median moved by more than the kept spread.

        Only the kept spread counts, so that a noisy run cannot excuse its own fall.
        """
        if self.now is None:
            return "missing"
        if self.kept is None:
            return "new"
        gain = self.now.median - self.kept.median
        if self.kept.better == "lower":
            gain = -gain
        if abs(gain) <= self.kept.spread:
            return "equal"
        return "better" if gain > 0 else "fell"


def compare(kept: Sequence[Figure], now: Sequence[Figure]) -> list[Comparison]:
    """Pair figures by their measure: the kept ones in their order, then the new ones."""
    found = {figure.measure: figure for figure in now}
    known = {figure.measure for figure in kept}
    pairs = [Comparison(figure, found.get(figure.measure)) for figure in kept]
    return pairs + [Comparison(None, figure) for figure in now if figure.measure not in known]


def joined(kept: Sequence[Figure], now: Sequence[Figure]) -> list[Figure]:
    """The new figures with the repetitions of the kept ones before their own."""
    before = {figure.measure: figure.values for figure in kept}
    return [replace(each, values=(*before.get(each.measure, ()), *each.values)) for each in now]


def table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as Markdown."""
    lines = ["| measure | kept | now | spread | verdict |", "| --- | --- | --- | --- | --- |"]
    for each in comparisons:
        kept, now = ("" if side is None else f"{side.median:.3g}" for side in (each.kept, each.now))
        spread = "" if each.kept is None else f"{each.kept.spread:.2g}"
        lines.append(f"| {each.measure} | {kept} | {now} | {spread} | {each.verdict} |")
    return "\n".join(lines)


def repeat(measure: Callable[[], T], times: int, budget_s: float) -> Iterator[T]:
    """Measure up to `times` times, and after two only as long as another one fits the budget."""
    began = time.monotonic()
    for done in range(1, times + 1):
        yield measure()
        elapsed = time.monotonic() - began
        if done > 1 and elapsed * (done + 1) / done > budget_s:
            return
