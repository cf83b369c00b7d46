"""A soak's tables."""

from collections import Counter
from typing import Any

from benchmarks.row import Row, table
from benchmarks.soak.progress import Progress
from benchmarks.soak.verdict import TORCHSERVES
from benchmarks.soak.watch import FLAT

MEANINGS = {
    "clip": "a damaged clip, of 18 formats",
    "frames": "damaged frames as parts of a form",
    "options": "options that no request may have",
    "document": "damaged JSON",
    "framing": "damaged HTTP: line, headers, form, length",
    "leaver": "clients that leave at a random moment",
    "slow": "a valid request in pieces",
    "answer": "damaged answers to the client",
    "control": "valid requests, whose answers are known",
}
COLUMNS = ("answered", "refused", "late or full", "TorchServe's own", "left")
PER_MINUTE = 100_000 / 30


def rows(progress: Progress) -> list[Row]:
    """What a soak requires, and what came."""
    grown = progress.growth
    worst = max(grown.values(), key=abs, default=0.0)
    minutes = progress.seconds / 60
    measured = {f"{kind}s": progress.faults(kind) for kind in ("crash", "hang", "wrong")}
    return [
        Row(
            "inputs",
            "100000 in 30 minutes on 2 cores",
            f"{progress.inputs} in {minutes:.0f} minutes",
            progress.inputs >= PER_MINUTE * minutes,
        ),
        Row("crashes", "0", str(measured["crashs"]), not measured["crashs"]),
        Row(
            "answers more than 1 s beyond their limit",
            "0",
            f"{measured['hangs']} ({progress.late} were late beside others and in time alone)",
            not measured["hangs"],
        ),
        Row(
            "wrong answers",
            "0",
            f"{measured['wrongs']} ({progress.repeated} inputs were sent twice)",
            not measured["wrongs"],
        ),
        Row(
            "memory of the server's processes, growth over the last two thirds",
            f"within {FLAT:.0%}",
            ", ".join(f"{name} {value:+.1%}" for name, value in grown.items()),
            bool(grown) and abs(worst) <= FLAT,
        ),
    ]


def lines(progress: Progress, when: str, machine: dict[str, Any]) -> list[str]:
    """The section of the document."""
    where = f"{machine['cores']} cores of {machine['cpu']}, torch {machine['torch']}"
    return [
        table(rows(progress)),
        "",
        f"Seed {progress.seed}, {when[:10]}, {where}.",
        "",
        *by_kind(progress),
        "",
        *by_outcome(progress),
    ]


def by_kind(progress: Progress) -> list[str]:
    """A line a kind of input."""
    found = ["| input | count | " + " | ".join(COLUMNS) + " | slowest |"]
    found.append("| --- |" + " --- |" * (len(COLUMNS) + 2))
    for kind, meaning in MEANINGS.items():
        counts = progress.outcomes.get(kind, Counter())
        columns = Counter[str]()
        for outcome, count in counts.items():
            columns[_column(outcome)] += count
        cells = [str(columns[name]) for name in COLUMNS]
        slowest = progress.slowest.get(kind, 0.0)
        found.append(
            f"| {meaning} | {sum(counts.values())} | {' | '.join(cells)} | {slowest:.1f} s |"
        )
    return found


def by_outcome(progress: Progress) -> list[str]:
    """A line an outcome, most frequent first."""
    totals = Counter[str]()
    for kind, counts in progress.outcomes.items():
        for outcome, count in counts.items():
            totals[f"client: {outcome}" if kind == "answer" else outcome] += count
    found = ["| outcome | count |", "| --- | --- |"]
    return found + [f"| {outcome} | {count} |" for outcome, count in totals.most_common()]


def _column(outcome: str) -> str:
    if outcome in {"200", "result"}:
        return "answered"
    if outcome.startswith(("503", "504")):
        return "late or full"
    if outcome.startswith(TORCHSERVES):
        return "TorchServe's own"
    if outcome in {"left", "waits for more"}:
        return "left"
    return "refused" if outcome.startswith(("4", "5", "error")) else outcome
