"""Send bad input to a real TorchServe for half an hour: `python -m benchmarks.soak`.

Damaged clips of every format, damaged requests, damaged answers to the client, and clients that
leave. The counts of 30 minutes or more go to `benchmarks/results/soak.json` and
`docs/operating.md`, those of fewer to the work folder, where `anomalies.jsonl` is too. Input N is
the same in every run of a seed: `--only N`.
"""

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.page import DOCS, write_section
from benchmarks.soak import report
from benchmarks.soak.run import soak

RESULTS = Path(__file__).parents[1] / "results" / "soak.json"
WORK = Path(__file__).parents[2] / "build" / "soak"
PAGE = DOCS / "operating.md"
COMMAND = "make soak"
FULL_MINUTES = 30
LONGEST_MINUTES = 55
"""A token of TorchServe's is valid for an hour."""


def main() -> int:
    """Returns 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=FULL_MINUTES, help="at most 55")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", default="r3d-motion,tsm-motion", help="comma-separated")
    parser.add_argument("--resume", action="store_true", help="go on where a stopped soak ended")
    parser.add_argument("--only", type=int, help="send one input alone, and print its answer")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of progress and anomalies")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    given = parser.parse_args()
    if not 0 < given.minutes <= LONGEST_MINUTES:
        parser.error(f"--minutes is from 0 to {LONGEST_MINUTES}.")
    progress = soak(
        given.models.split(","),
        given.seed,
        seconds=given.minutes * 60,
        work=given.work,
        resume=given.resume,
        only=given.only,
    )
    if given.only is not None:
        print(json.dumps(progress.to_json()["outcomes"]))
        return len(progress.anomalies) > 0
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    where = machine()
    found = report.rows(progress)
    print("\n".join(report.lines(progress, when, where)))
    full = given.minutes >= FULL_MINUTES
    output = given.output or (RESULTS if full else given.work / RESULTS.name)
    output.parent.mkdir(parents=True, exist_ok=True)
    written = {
        "when": when,
        "machine": where,
        "rows": [row.to_json() for row in found],
        **progress.to_json(),
    }
    output.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    if full:
        write_section(PAGE, COMMAND, report.lines(progress, when, where))
    return not all(row.passed for row in found)


if __name__ == "__main__":
    sys.exit(main())
