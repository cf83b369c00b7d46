"""The kept rows of both servers as a table."""

from __future__ import annotations

from benchmarks.kept import Kept, as_rows, where_and_when
from benchmarks.row import Row

MARKS = {True: " — met", False: " — **missed**", None: ""}
SEPARATOR = " | "
"""In a row's key, after the server's name."""


def lines(kept: Kept) -> list[str]:
    """A table with a line a measure and a column a server."""
    servers = list(dict.fromkeys(key.partition(SEPARATOR)[0] for key in kept))
    measures: dict[str, dict[str, Row]] = {}
    for key, row in as_rows(kept).items():
        server, _, measure = key.partition(SEPARATOR)
        measures.setdefault(measure, {})[server] = row
    table = [f"| measure | bar | {' | '.join(servers)} |", f"|{' --- |' * (2 + len(servers))}"]
    for by_server in measures.values():
        first = next(iter(by_server.values()))
        cells = [_cell(by_server.get(server)) for server in servers]
        table.append(f"| {first.measure} | {first.bar} | {' | '.join(cells)} |")
    return [*table, "", where_and_when(kept.values())]


def _cell(row: Row | None) -> str:
    return f"{row.measured}{MARKS[row.passed]}" if row else "–"
