"""What a run left behind, and whether it is right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

ANOTHER_RUN = ("threads",)
"""Facts of a provenance that say where a map was computed, and not what."""


@dataclass(frozen=True)
class Check:
    """The results of a run, compared with those of the folder command.

    Attributes:
        clips: that the table has.
        repeated: rows of a clip that has one already.
        missing: clips that have no row.
        other: clips whose answer or map is not the folder command's, to the last bit.
        broken: files that can't be read, or are no result's.
    """

    clips: int
    repeated: int
    missing: int
    other: int
    broken: int

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.repeated or self.missing or self.other or self.broken)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def check(out: Path, expected: Path, clips: Sequence[str]) -> Check:
    """Compare a run with the folder command's results.

    Args:
        out: the run's results.
        expected: the folder of the folder command's, `METHOD/MODEL`.
        clips: the paths of all clips.
    """
    rows = answers(out).select(["clip", "key"]).to_pylist()
    found = {row["clip"]: row["key"] for row in rows}
    named = {f"{key}.{kind}" for key in found.values() for kind in ("json", "npz")}
    files = {path.name for path in (out / "clips").iterdir()}
    drafts = sum(1 for path in out.rglob("*") if path.is_file() and "drafts" in path.parts)
    other = sum(
        result(out / "clips", key) != result(expected, Path(clip).stem)
        for clip, key in found.items()
    )
    return Check(
        clips=len(found),
        repeated=len(rows) - len(found),
        missing=len(set(clips) - set(found)),
        other=other,
        broken=len(named ^ files) + drafts,
    )


def answers(out: Path) -> pa.Table:
    """The table of answers."""
    return parquet.read_table(out / "answers")


def result(folder: Path, name: str) -> tuple[Any, ...]:
    """An answer without what says where it was computed, and its map's bytes."""
    answer = json.loads((folder / f"{name}.json").read_text("utf-8"))["answer"]
    for explanation in answer["explanations"]:
        for fact in ANOTHER_RUN:
            explanation["provenance"].pop(fact)
    return answer, maps(folder / f"{name}.npz")


def maps(path: Path) -> bytes:
    """The bytes of the map in a file."""
    import numpy as np  # noqa: PLC0415

    with np.load(path) as arrays:
        values: bytes = arrays["map"].tobytes()
    return values
