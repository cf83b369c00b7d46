"""Several explanations at once on one GPU beside the same one after another."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.row import Row, clock
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import by_turns
from videovisual.attribution import catalogue
from videovisual.engine.engine import Engine
from videovisual.engine.job import Job
from videovisual.saliency import Saliency

JOBS = 8
LONG_S = 300
GIVEN: dict[str, dict[str, Any]] = {"step": {"iterations": 30}, "integrated_gradients": {}}


def together(subject: Subject, method: str, *, rounds: int) -> Row:
    """By the engine alone, without a server before it."""
    entry = catalogue.find(method)
    case = subject.cases()[0]

    def submit(engine: Engine) -> Job[Saliency]:
        return engine.submit(entry.load()(case, entry.parse(GIVEN[method])))

    def in_turn(engine: Engine) -> None:
        for _ in range(JOBS):
            submit(engine).result(LONG_S)

    def at_once(engine: Engine) -> None:
        for job in [submit(engine) for _ in range(JOBS)]:
            job.result(LONG_S)

    with Engine(subject.runner) as engine:
        # Twice, so that passes of as many clips as share one are recorded and their time is known.
        at_once(engine)
        seconds = by_turns(
            {"in turn": partial(in_turn, engine), "at once": partial(at_once, engine)}, rounds
        )
    ratio = seconds["in turn"] / seconds["at once"]
    return Row(
        f"{subject.name}: {JOBS} × `{method}` at once against one after another",
        "",
        f"{ratio:.1f} × ({clock(seconds['at once'])} against {clock(seconds['in turn'])})",
        None,
        {"seconds": seconds},
    )
