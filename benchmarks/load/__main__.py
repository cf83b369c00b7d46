"""Measure real servers with the motion models: `python -m benchmarks.load`.

Rows: classification under load, also beside a foreign process, throughput, overhead, refusals,
disconnects, a killed worker (TorchServe's), mixed load, and the start of the real I3D. The figures
go to `benchmarks/results/load.json` and `docs/operating.md`; those of rows that weren't measured
are kept.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import page
from benchmarks.kept import keep
from benchmarks.load import (
    latency,
    leaving,
    material,
    mixed,
    refusing,
    report,
    starting,
    throughput,
)
from benchmarks.load.endpoint import AnyServer, Endpoint
from benchmarks.load.uvicorn import Uvicorn
from benchmarks.machine import machine
from benchmarks.row import Row, table
from videovisual_client.torchserve import Server

COMMAND = "python -m benchmarks.load"
RESULTS = Path(__file__).parents[1] / "results" / "load.json"
PAGE = page.DOCS / "operating.md"
ROWS = (
    *("latency", "foreign", "throughput", "refusals", "leavers", "crash", "mixed"),
    *("overhead", "ready"),
)
MODELS = "i3d-motion,tsm-motion"
LARGE = "i3d-kinetics400"
PORT, OTHER_PORT = 18100, 18200
MOST_OVERHEAD_MS = {"TorchServe": 12, "uvicorn": 5}

Start = Callable[[str, Path], AnyServer]
SERVERS: Mapping[str, Start] = {
    "TorchServe": lambda model, store: Server([model], store=store, port=PORT),
    "uvicorn": lambda model, store: Uvicorn([model], store, "--port", str(PORT)),
}


@dataclass(frozen=True)
class Plan:
    """What is measured, and how much of it.

    Attributes:
        models: the small models, one server each.
        rows: of `ROWS`.
        minutes: of mixed load.
    """

    models: Sequence[str]
    rows: frozenset[str]
    minutes: float = 20
    samples: int = 200
    iterations: int = 20
    rounds: int = 3
    leavers: int = 200
    starts: int = 3

    def quick(self) -> Plan:
        few = {"samples": 20, "iterations": 6, "rounds": 1, "leavers": 40, "starts": 1}
        return Plan(self.models, self.rows, min(self.minutes, 1), **few)


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--models", default=MODELS, help="comma-separated")
    parser.add_argument("--servers", default=",".join(SERVERS), help="comma-separated")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated, which to measure")
    parser.add_argument("--minutes", type=float, default=Plan.minutes, help="of mixed load")
    parser.add_argument("--quick", action="store_true", help="few samples; nothing is kept")
    parser.add_argument("--output", type=Path, default=RESULTS, help="kept figures")
    given = parser.parse_args()
    plan = Plan(given.models.split(","), frozenset(given.rows.split(",")), given.minutes)
    plan = plan.quick() if given.quick else plan
    measured: dict[str, Row] = {}
    with tempfile.TemporaryDirectory(prefix="videovisual-load-") as name:
        servers = given.servers.split(",")
        # First: the same call is faster in a process that computed before, as no server here did.
        both = [measure_overhead(server, plan, Path(name)) for server in servers]
        both += [measure_server(server, plan, Path(name)) for server in servers]
        for server, rows in zip(2 * servers, both, strict=True):
            for measure, row in rows:
                measured[f"{server}{report.SEPARATOR}{measure}"] = row
                print(f"{server}: {row.measure}: {row.measured}", flush=True)
    print(f"\n{table(list(measured.values()))}\n\n{machine()}")
    if not given.quick or given.output != RESULTS:
        kept = keep(measured, given.output)
        if given.output == RESULTS:
            page.write_section(PAGE, COMMAND, report.lines(kept))


def measure_overhead(name: str, plan: Plan, work: Path) -> Iterator[tuple[str, Row]]:
    """What one server adds to a classification."""
    if "overhead" in plan.rows:
        model, limit_ms, ours = plan.models[0], MOST_OVERHEAD_MS[name], work / "ours"
        material.served(model, ours)
        fresh, video = partial(SERVERS[name], model, ours), material.video()
        found = latency.overhead(model, fresh, video, samples=plan.samples, limit_ms=limit_ms)
        yield "overhead", found


def measure_server(name: str, plan: Plan, work: Path) -> Iterator[tuple[str, Row]]:
    """The other rows of one server by name."""
    start = SERVERS[name]
    motion = [material.motion_clip(index) for index in range(throughput.COUNT)]
    ours, plain = work / "ours", work / "plain"
    # One server a model, so that only this model runs.
    for model in plan.models:
        material.served(model, ours)
        with start(model, ours) as server:
            for row, measure in _measures(server, model, plan, motion, plain).items():
                is_once = row not in ("latency", "foreign", "throughput")
                if row in plan.rows and (model == plan.models[0] or not is_once):
                    for number, found in enumerate(measure()):
                        yield f"{row} {model} {number}", found
    if "ready" in plan.rows:
        material.served(LARGE, ours)
        fresh, has_bar = partial(start, LARGE, ours), name == "uvicorn"
        yield "ready", starting.ready(LARGE, fresh, times=plan.starts, has_bar=has_bar)


def _measures(
    server: AnyServer, model: str, plan: Plan, motion: list[bytes], plain: Path
) -> Mapping[str, Callable[[], list[Row]]]:
    """How each row is measured on a running server."""
    endpoint = Endpoint(server, model)
    long = {"samples": plan.samples, "iterations": plan.iterations}

    def under_load() -> list[Row]:
        if not isinstance(server, Server):
            return [latency.classification_under_load(endpoint, None, motion[0], **long)]
        material.plain(model, plain)
        with Server([model], store=plain, port=OTHER_PORT) as other:
            compared = Endpoint(other, model)
            return [latency.classification_under_load(endpoint, compared, motion[0], **long)]

    def together() -> list[Row]:
        asked = (
            {"method": "step", "iterations": plan.iterations},
            {"method": "integrated_gradients", "steps": plan.iterations},
        )
        return [throughput.together(endpoint, motion, rounds=plan.rounds, **each) for each in asked]

    def killed() -> list[Row]:
        # uvicorn's process is the whole server: whoever started it starts it again.
        if not isinstance(server, Server):
            return []
        return [leaving.crash(endpoint, server, motion[0], material.video())]

    return {
        "latency": under_load,
        "foreign": lambda: [latency.beside_a_foreign_process(endpoint, motion[0], **long)],
        "throughput": together,
        "refusals": lambda: [refusing.refusals(endpoint, motion[0], samples=plan.samples)],
        "leavers": lambda: [leaving.leavers(endpoint, motion[0], count=plan.leavers)],
        "crash": killed,
        "mixed": lambda: [mixed.mixed(endpoint, motion[:2], minutes=plan.minutes)],
    }


if __name__ == "__main__":
    main()
