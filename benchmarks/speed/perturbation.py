"""Searches against the published ones: one iteration, a whole search, and peak memory."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tests.reference import textbook

from benchmarks.quality.measure import GPU
from benchmarks.quality.summary import Comparison
from benchmarks.row import Row, clock
from benchmarks.speed.intervals import Interval, gaps, intervals, module_passes, runner_passes
from benchmarks.speed.subject import Subject, load
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.methods import PRESETS
from videovisual.engine.engine import run

AREA = 0.1
MEMORY = 1.8e9
SHARE = 0.85
STATUS = Path("/proc/self/status")
FRAMES = 16
WHOLE = 3
"""Number of clips on which whole searches are measured."""


def _search(subject: Subject, case: Case, method: str, **given: Any) -> Mapping[str, Any]:
    entry = catalogue.find(method)
    return run(subject.runner, entry.load()(case, entry.parse(given))).diagnostics


def iterations(subject: Subject, method: str, preset: str, count: int) -> list[Interval]:
    """Intervals of `count` iterations of our search."""
    with runner_passes(subject.runner) as passes:
        _search(subject, subject.cases()[0], method, preset=preset, iterations=count + 1)
    return intervals(passes)


def reference_iterations(subject: Subject, method: str, count: int) -> list[float]:
    """Seconds of each of `count` iterations of the reference implementation in tests/reference.

    Its settings are the published ones, so STEP's core term, which starts at iteration 100, is not
    included.
    """
    published = PRESETS[method]["reference"]
    case = subject.cases()[0]
    network = subject.classifier.network.requires_grad_(True)
    with module_passes(network) as began:
        textbook.search(network, case, published, AREA, count + 1, "preserve", "blur")
    network.requires_grad_(False)
    return gaps(began)


def iteration(subject: Subject, method: str, preset: str, *, bar: float | None, rounds: int) -> Row:
    """One iteration of ours, as published or by default, against one of the reference."""
    ours: list[float] = []
    theirs: list[float] = []
    iterations(subject, method, preset, 2)  # warm-up
    for _ in range(rounds):
        ours += [each.seconds for each in iterations(subject, method, preset, 4)]
        theirs += reference_iterations(subject, method, 2)
    each = {"ours": median(ours), "reference": median(theirs)}
    ratio = each["reference"] / each["ours"]
    words = "" if preset == "reference" else " by default"
    return Row(
        f"{subject.name}: one `{method}` iteration{words} against the reference implementation's",
        "" if bar is None else f"≥ {bar:g} ×",
        f"{ratio:.1f} × ({clock(each['ours'])} against {clock(each['reference'])})",
        None if bar is None else ratio >= bar,
        {"iteration_s": each},
    )


def share(subject: Subject, method: str, *, count: int) -> Row:
    """The network's part of the time of a default search's iterations: the median of three runs."""
    iterations(subject, method, "quick", 2)  # warm-up
    runs = [iterations(subject, method, "quick", count) for _ in range(3)]
    found = median(network_share(run) for run in runs)
    each = median(interval.seconds for run in runs for interval in run)
    return Row(
        f"{subject.name}: the network's share of an iteration of `{method}`",
        f"≥ {SHARE:.0%}",
        f"{found:.0%} of {clock(each)}",
        found >= SHARE,
        {"share": found, "iteration_s": each},
    )


def network_share(found: Sequence[Interval]) -> float:
    return sum(each.network for each in found) / sum(each.seconds for each in found)


def searched(subject: Subject, method: str) -> dict[str, Any]:
    """Seconds and iterations of whole default searches.

    With random weights no search ends early, so the longest search is measured.
    """
    # The warm-up reaches the iteration at which the core term starts.
    begun = PRESETS[method]["quick"].goal.core_from + 2
    _search(subject, subject.cases()[0], method, preset="quick", iterations=begun)
    limit = None if subject.trained else PRESETS[method]["quick"].iterations
    taken = [_taken(subject, case, method, limit) for case in subject.cases()[:WHOLE]]
    precision = taken[0].precision
    default = "quick" if precision == "float32" else precision
    return {
        "model": subject.name,
        "method": method,
        "precision": precision,
        "preset": GPU if subject.runner.device.type == "cuda" else default,
        "seconds": {"ours": median(each.seconds for each in taken)},
        "iterations": median(each.iterations for each in taken),
        "each": [asdict(each) for each in taken],
    }


def against(details: Mapping[str, Any], reference_s: float, bar: float) -> dict[str, Any]:
    """Add the estimated seconds of a whole published search.

    Args:
        details: of `searched`.
        reference_s: seconds of one iteration of the reference implementation.
        bar: how many times faster ours should be.
    """
    count = PRESETS[details["method"]]["reference"].iterations
    seconds = {**details["seconds"], "published": count * reference_s}
    return {**details, "seconds": seconds, "bar": bar}


def judged(details: Mapping[str, Any], quality: Comparison | None) -> Row:
    """The row of whole searches; the bar counts only at equal quality.

    Args:
        details: of `searched`, or of `against`.
        quality: of the small model of the same family, by `benchmarks.quality`.
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
    """What one search took from beginning to end, and the precision of its gradients."""

    seconds: float
    iterations: int
    precision: str


def _taken(subject: Subject, case: Case, method: str, limit: int | None) -> _Taken:
    """One search, or one of `limit` iterations, estimated from a fifth of them on a processor."""
    count = limit
    if limit is not None and subject.runner.device.type == "cpu":
        count = limit // 5
    given = {"preset": "quick"} | ({} if count is None else {"iterations": count})
    began = time.perf_counter()
    facts = _search(subject, case, method, **given)
    seconds = time.perf_counter() - began
    done = int(facts["iterations"])
    if limit is not None:
        seconds, done = seconds / done * limit, limit
    return _Taken(seconds, done, facts["precision"])


def wall(subject: Subject, longest: float) -> Row:
    """The time of a whole default search of `ep_3d` against a limit, and which maps it took."""
    short = replace(subject, clips=[clip[:, :FRAMES] for clip in subject.clips[:1]])
    (case,) = short.cases()
    _search(short, case, "ep_3d", iterations=2)  # warm-up
    began = time.perf_counter()
    facts = _search(short, case, "ep_3d")
    seconds = time.perf_counter() - began
    return Row(
        f"{subject.name}: a whole default search of `ep_3d`, {FRAMES} frames",
        f"≤ {clock(longest)}",
        f"{clock(seconds)}; share of averaged worth {facts['averaged_share']:.2f}",
        seconds <= longest,
        {"seconds": seconds, "averaged_share": facts["averaged_share"], "kept": facts["kept"]},
    )


def memory(name: str, device: str) -> Row:
    """Peak memory of a process that loads the model and searches; on a GPU, the memory there."""
    most = peak(name, device, "ep_3d")
    return Row(
        f"{name}: peak memory of an `ep_3d` search",
        f"≤ {MEMORY / 1e9:g} GB",
        f"{most / 1e9:.2f} GB",
        most <= MEMORY,
        {"bytes": most},
    )


def peak(name: str, device: str, method: str | None) -> int:
    """Peak bytes of a new process that loads a model and runs three iterations of a search.

    Without a method it runs torch's own forward and backward pass instead.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peak, name, device, method).result()


def _peak(name: str, device: str, method: str | None) -> int:
    if method is None:
        classifier, clips = load(name)
        leaf = clips[0][None].to(device).requires_grad_()
        classifier.to(device).network(leaf)[0, 0].backward()
    else:
        subject = Subject.of(name, device)
        _search(subject, subject.cases()[0], method, iterations=3)
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    # `getrusage` also counts the process that this one was started from.
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
