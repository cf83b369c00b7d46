"""An iteration of a search beside the textbook's, its memory, and a whole search on a real clip."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Mapping
from typing import Any

from benchmarks import textbook
from benchmarks.row import Row
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import by_turns
from videovisual.attribution import catalogue
from videovisual.attribution.perturbation import ep_3d
from videovisual.engine.engine import run

AREA = 0.1
MEMORY = 1.8e9


def _search(subject: Subject, method: str, **given: Any) -> Mapping[str, Any]:
    entry = catalogue.find(method)
    case = subject.case(4, target=0)
    return run(subject.oracle, entry.load()(case, entry.parse(given))).diagnostics


def iteration(subject: Subject, *, bar: float | None, rounds: int) -> Row:
    """Published settings: one iteration of `ep_3d` against one of the textbook's.

    Each is the difference of a search of three iterations and one of one, so that what a search
    does once is in neither.
    """
    case = subject.case(4, target=0)
    preset = ep_3d.PRESETS["reference"]

    def theirs(count: int) -> None:
        network = subject.classifier.network.requires_grad_(True)
        textbook.search(network, case, preset, AREA, count, "preserve", "blur")
        network.requires_grad_(False)

    works = {
        "ours 1": lambda: _search(subject, "ep_3d", preset="reference", iterations=1),
        "ours 3": lambda: _search(subject, "ep_3d", preset="reference", iterations=3),
        "textbook 1": lambda: theirs(1),
        "textbook 3": lambda: theirs(3),
    }
    seconds = by_turns(works, rounds)
    each = {
        name: (seconds[f"{name} 3"] - seconds[f"{name} 1"]) / 2 for name in ("ours", "textbook")
    }
    ratio = each["textbook"] / each["ours"]
    return Row(
        f"{subject.name}: one `ep_3d` iteration against the textbook's",
        "" if bar is None else f"≥ {bar:g} ×",
        f"{ratio:.1f} × ({each['ours']:.2f} s against {each['textbook']:.2f})",
        None if bar is None else ratio >= bar,
        {"seconds": seconds, "iteration_s": each},
    )


def memory(name: str) -> Row:
    """The most that a process holds which loads the model and runs some iterations."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        most = pool.apply(_peak, (name,))
    return Row(
        f"{name}: peak memory of an `ep_3d` search",
        f"≤ {MEMORY / 1e9:g} GB",
        f"{most / 1e9:.2f} GB",
        most <= MEMORY,
        {"bytes": most},
    )


def _peak(name: str) -> int:
    _search(Subject.of(name), "ep_3d", iterations=3)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def whole(subject: Subject, *, minutes: float) -> Row:
    """`ep_3d` with our settings from beginning to end."""
    began = time.perf_counter()
    facts = _search(subject, "ep_3d")
    taken = time.perf_counter() - began
    return Row(
        f"{subject.name}: `ep_3d` by default",
        f"≤ {minutes:g} minutes",
        f"{taken / 60:.1f} minutes, {facts['iterations']} iterations",
        taken <= 60 * minutes,
        {"seconds": taken, "diagnostics": facts},
    )
