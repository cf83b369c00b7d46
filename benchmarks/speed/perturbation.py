"""Searches beside the published ones: an iteration, the memory, and from beginning to end."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tests.reference import textbook

from benchmarks.quality.measure import GPU
from benchmarks.quality.summary import Comparison
from benchmarks.row import Row, clock
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import by_turns
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.methods import PRESETS
from videovisual.engine.engine import run

AREA = 0.1
MEMORY = 1.8e9
STATUS = Path("/proc/self/status")
WHOLE = 3
"""Clips that are searched from beginning to end."""


def _search(subject: Subject, case: Case, method: str, **given: Any) -> Mapping[str, Any]:
    entry = catalogue.find(method)
    return run(subject.runner, entry.load()(case, entry.parse(given))).diagnostics


def iteration(subject: Subject, method: str, preset: str, *, bar: float | None, rounds: int) -> Row:
    """One iteration of ours, as published or by default, against one of the textbook's.

    Each is the difference of a search of three iterations and one of one, so that what a search
    does once is in neither. STEP's core term, which begins later, is in neither too.
    """
    case = subject.cases()[0]
    published = PRESETS[method]["reference"]

    def ours(count: int) -> None:
        _search(subject, case, method, preset=preset, iterations=count)

    def theirs(count: int) -> None:
        network = subject.classifier.network.requires_grad_(True)
        textbook.search(network, case, published, AREA, count, "preserve", "blur")
        network.requires_grad_(False)

    works = {
        "ours 1": lambda: ours(1),
        "ours 3": lambda: ours(3),
        "textbook 1": lambda: theirs(1),
        "textbook 3": lambda: theirs(3),
    }
    seconds = by_turns(works, rounds)
    each = {
        name: (seconds[f"{name} 3"] - seconds[f"{name} 1"]) / 2 for name in ("ours", "textbook")
    }
    ratio = each["textbook"] / each["ours"]
    words = "" if preset == "reference" else " by default"
    return Row(
        f"{subject.name}: one `{method}` iteration{words} against the textbook's",
        "" if bar is None else f"≥ {bar:g} ×",
        f"{ratio:.1f} × ({clock(each['ours'])} against {clock(each['textbook'])})",
        None if bar is None else ratio >= bar,
        {"seconds": seconds, "iteration_s": each},
    )


def searched(subject: Subject, method: str) -> dict[str, Any]:
    """What searches by default take from beginning to end.

    Of a model with random weights, at which no search ends in time, the longest search is taken.
    """
    # What searches share is there before any is timed, also for the core term.
    begun = PRESETS[method]["default"].goal.core_from + 2
    _search(subject, subject.cases()[0], method, iterations=begun)
    limit = None if subject.trained else PRESETS[method]["default"].iterations
    taken = [_taken(subject, case, method, limit) for case in subject.cases()[:WHOLE]]
    precision = taken[0].precision
    default = "default" if precision == "float32" else precision
    return {
        "model": subject.name,
        "method": method,
        "precision": precision,
        "preset": GPU if subject.runner.device.type == "cuda" else default,
        "seconds": {"ours": median(each.seconds for each in taken)},
        "iterations": median(each.iterations for each in taken),
        "each": [asdict(each) for each in taken],
    }


def against(details: Mapping[str, Any], textbook_s: float, bar: float) -> dict[str, Any]:
    """The same with what as many iterations as are published would take.

    Args:
        details: of `searched`.
        textbook_s: seconds of one published iteration.
        bar: how many times faster ours should be.
    """
    iterations = PRESETS[details["method"]]["reference"].iterations
    seconds = {**details["seconds"], "published": iterations * textbook_s}
    return {**details, "seconds": seconds, "bar": bar}


def judged(details: Mapping[str, Any], quality: Comparison | None) -> Row:
    """The row of a search's seconds, which count only at equal quality.

    Args:
        details: of `searched`, or of `against`.
        quality: what was measured of the results, on the small model of this kind, by the preset
            of `benchmarks.quality`.
    """
    seconds, bar = details["seconds"], details.get("bar")
    ours = f"{clock(seconds['ours'])}, {details['iterations']:g} iterations"
    how = f"by {details['precision']}, {quality or 'quality not measured'}"
    name = f"{details['model']}: `{details['method']}` by default"
    if bar is None:
        return Row(name, "", f"{ours}; {how}", None, details)
    ratio = seconds["published"] / seconds["ours"]
    return Row(
        f"{name} against the published search",
        f"≥ {bar:g} ×, at an objective ≤ 1.02 × and a hard probability ≥ −0.01",
        f"{ratio:.0f} × ({ours}, against {clock(seconds['published'])}); {how}",
        quality is not None and quality.equal and ratio >= bar,
        details,
    )


@dataclass(frozen=True)
class _Taken:
    """What one search took.

    Attributes:
        seconds, iterations: from beginning to end.
        precision: of its gradients.
    """

    seconds: float
    iterations: int
    precision: str


def _taken(subject: Subject, case: Case, method: str, limit: int | None) -> _Taken:
    """One search, or one of `limit` iterations; on a processor by what the fifth part takes."""
    count = limit
    if limit is not None and subject.runner.device.type == "cpu":
        count = limit // 5
    given = {} if count is None else {"iterations": count}
    began = time.perf_counter()
    facts = _search(subject, case, method, **given)
    seconds = time.perf_counter() - began
    done = int(facts["iterations"])
    if limit is not None:
        seconds, done = seconds / done * limit, limit
    return _Taken(seconds, done, facts["precision"])


def wall(details: Mapping[str, Any], longest: float) -> Row:
    """Whether a search is short enough to wait for."""
    seconds = details["seconds"]["ours"]
    return Row(
        f"{details['model']}: `ep_3d` by default, how long one waits",
        f"≤ {clock(longest)}",
        clock(seconds),
        seconds <= longest,
    )


def memory(name: str, device: str) -> Row:
    """The most that a process holds, on a GPU there, which loads the model and searches a bit."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        most = pool.apply(_peak, (name, device))
    return Row(
        f"{name}: peak memory of an `ep_3d` search",
        f"≤ {MEMORY / 1e9:g} GB",
        f"{most / 1e9:.2f} GB",
        most <= MEMORY,
        {"bytes": most},
    )


def _peak(name: str, device: str) -> int:
    subject = Subject.of(name, device)
    _search(subject, subject.cases()[0], "ep_3d", iterations=3)
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    # What `getrusage` tells includes the process that this one was made of.
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
