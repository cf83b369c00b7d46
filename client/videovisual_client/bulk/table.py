"""The tables of a bulk run: their columns, a clip's row, and the parts that they are written in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from videovisual.protocol import Answer, Explanation
from videovisual.protocol.caveats import caveats
from videovisual_client.bulk.address import Output

PART_ROWS = 1000

_PREDICTION = pa.struct(
    [
        ("index", pa.int32()),
        ("label", pa.string()),
        ("probability", pa.float64()),
        ("logit", pa.float64()),
    ]
)
_EXPLANATION = pa.struct(
    [
        ("method", pa.string()),
        ("target", _PREDICTION),
        ("summary", pa.string()),
        ("caveats", pa.list_(pa.string())),
        ("faithfulness", pa.map_(pa.string(), pa.float64())),
        ("diagnostics", pa.string()),
        ("provenance", pa.string()),
    ]
)
ANSWERS = pa.schema(
    [
        ("clip", pa.string()),
        ("label", pa.string()),
        ("key", pa.string()),
        ("predicted", pa.string()),
        ("probability", pa.float64()),
        ("logit", pa.float64()),
        ("correct", pa.bool_()),
        ("top", pa.list_(_PREDICTION)),
        ("explanations", pa.list_(_EXPLANATION)),
        ("map", pa.string()),
        ("pictures", pa.list_(pa.string())),
        ("seconds", pa.float64()),
        ("model", pa.string()),
        ("classifier_sha256", pa.string()),
        ("version", pa.string()),
    ]
)
FAILED = pa.schema(
    [("clip", pa.string()), ("label", pa.string()), ("code", pa.string()), ("reason", pa.string())]
)
ROWS = pa.unify_schemas(
    [ANSWERS, FAILED, pa.schema([("computed", pa.bool_()), ("fatal", pa.bool_())])]
)
"""What workers send: a clip of either table, whether its answer was computed in this run, and
whether all other clips would fail for the same reason."""


@dataclass(frozen=True)
class Labelled:
    """A clip's address, and its label.

    Attributes:
        clip: the address.
        label: as it is given; None without one.
        known: the class of the model that it names; None without one.
    """

    clip: str
    label: str | None
    known: str | None


def answered(clip: Labelled, folder: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a clip with an answer.

    Args:
        clip: the clip.
        folder: of the records, in the output.
        record: of the answer, as `Records.keep` returns it.
    """
    answer = Answer.model_validate(record["answer"])
    best = answer.predictions[0]
    files = {kind: f"{folder}/{record['key']}.{kind}" for kind in record["files"]}
    return {
        "clip": clip.clip,
        "label": clip.label,
        "key": record["key"],
        "predicted": best.label,
        "probability": best.probability,
        "logit": best.logit,
        "correct": None if clip.known is None else clip.known == best.label,
        "top": [each.model_dump() for each in answer.predictions],
        "explanations": [_explanation(each) for each in answer.explanations],
        "map": files.pop("npz", None),
        "pictures": list(files.values()),
        "seconds": record["seconds"],
        "model": answer.model,
        "classifier_sha256": answer.classifier_sha256,
        "version": record["version"],
    }


def _explanation(explanation: Explanation) -> dict[str, Any]:
    return {
        "method": explanation.method,
        "target": explanation.target.model_dump(),
        "summary": explanation.summary,
        "caveats": list(caveats(explanation)),
        "faithfulness": list((explanation.faithfulness or {}).items()),
        "diagnostics": json.dumps(explanation.diagnostics),
        "provenance": json.dumps(explanation.provenance),
    }


class Parts:
    """A table that is written in parts, `FOLDER/part-00000.parquet`, …, in place of an earlier one.

    Args:
        output: holds the folder.
        folder: of the parts.
        schema: the columns.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, output: Output, folder: str, schema: pa.Schema) -> None:
        self._output, self._folder, self._schema = output, folder, schema
        self._waiting: list[pa.Table] = []
        self._parts = 0
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        """Add rows, of which other columns are left out; raises WriteError."""
        if not rows.num_rows:
            return
        self._waiting.append(rows.select(self._schema.names))
        self.rows += rows.num_rows
        if sum(each.num_rows for each in self._waiting) >= PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are in no part yet; raises WriteError."""
        if not self._waiting:
            return
        if not self._parts:
            self._output.clear(self._folder)
        buffer = pa.BufferOutputStream()
        parquet.write_table(pa.concat_tables(self._waiting), buffer)
        data = buffer.getvalue().to_pybytes()
        self._output.write(f"{self._folder}/part-{self._parts:05d}.parquet", data)
        self._waiting.clear()
        self._parts += 1

    def finish(self) -> None:
        """Write what is left; the table is then this one, even if it has no rows."""
        self.flush()
        if not self._parts:
            self._output.clear(self._folder)
