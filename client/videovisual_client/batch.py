"""The results of a folder of clips, from which a stopped run continues.

OUT/METHOD/MODEL/NAME.json    the request and the answer without the map; written last
OUT/METHOD/MODEL/NAME.npz     the map, beside the requested pictures NAME.png, …
OUT/METHOD/MODEL/summary.csv  one line per clip
OUT/METHOD/MODEL/summary.json the same, with the accuracy over all clips
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from videovisual.protocol import Answer
from videovisual_client.collection import NamedClip, same_class
from videovisual_client.errors import VideoVisualError
from videovisual_client.result import Classification, Explained


@dataclass(frozen=True)
class Row:
    """One clip in the summary.

    Attributes:
        clip: its name.
        label: the class that its name begins with.
        predicted, probability: the best class.
        correct: whether the best class is the label; None without a label.
        in_top: whether the label is among the listed classes; None without a label.
        seconds: from request to answer.
        faithfulness: the mean of each measure over the clip's explanations.
        error: the error's code and message; None if the clip succeeded.
    """

    clip: str
    label: str | None
    predicted: str | None = None
    probability: float | None = None
    correct: bool | None = None
    in_top: bool | None = None
    seconds: float | None = None
    faithfulness: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None


class Batch:
    """One folder of results.

    Args:
        folder: OUT/METHOD/MODEL.
        request: the options of each clip's request; results of another request don't count.
        formats: pictures to make of each explanation.
    """

    def __init__(
        self, folder: Path, request: Mapping[str, Any], formats: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self._request = json.loads(json.dumps(request, default=str))
        self._formats = tuple(formats)
        self._rows: dict[str, Row] = {}

    def find(self, clip: NamedClip) -> Row | None:
        """The clip's row, if it has a finished result of the same request."""
        try:
            record = json.loads(self._path(clip, "json").read_text("utf-8"))
            if record["request"] != self._request:
                return None
            if any(not self._path(clip, kind).is_file() for kind in self._files(record["kind"])):
                return None
            row = _row(clip, Answer.model_validate(record["answer"]), record["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        self._rows[clip.name] = row
        return row

    def keep(self, clip: NamedClip, result: Classification, seconds: float) -> Row:
        """Write a result, and return the clip's row."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kind = "explanation" if isinstance(result, Explained) else "classification"
        if isinstance(result, Explained):
            for suffix in self._files(kind):
                result.save(self._path(clip, suffix))
        record = {
            "clip": str(clip.path),
            "label": clip.label,
            "kind": kind,
            "request": self._request,
            "seconds": round(seconds, 3),
            "answer": result.answer.without_maps(),
        }
        _write(self._path(clip, "json"), json.dumps(record, indent=1))
        row = self._rows[clip.name] = _row(clip, result.answer, seconds)
        return row

    def fail(self, clip: NamedClip, error: VideoVisualError) -> Row:
        """Record a failure; the next run tries the clip again."""
        row = Row(clip.name, clip.label, error=f"{error.code}: {error.message}")
        self._rows[clip.name] = row
        return row

    def summary(self) -> dict[str, Any]:
        """All rows, with their counts and means."""
        rows = list(self._rows.values())
        labelled = [row for row in rows if row.correct is not None]
        return {
            "folder": str(self.folder),
            "clips": len(rows),
            "failed": sum(row.error is not None for row in rows),
            "labelled": len(labelled),
            "accuracy": _mean([float(bool(row.correct)) for row in labelled]),
            "in_top": _mean([float(bool(row.in_top)) for row in labelled]),
            "faithfulness": _means(row.faithfulness for row in rows),
            "rows": [asdict(row) for row in rows],
        }

    def write_summary(self) -> dict[str, Any]:
        """Write `summary.csv` and `summary.json`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        summary = self.summary()
        _write(self.folder / "summary.json", json.dumps(summary, indent=1))
        measures = list(summary["faithfulness"])
        buffer = io.StringIO()
        plain = [name for name in Row.__dataclass_fields__ if name != "faithfulness"]
        table = csv.DictWriter(buffer, [*plain, *measures], extrasaction="ignore")
        table.writeheader()
        for row in summary["rows"]:
            table.writerow(row | row["faithfulness"])
        _write(self.folder / "summary.csv", buffer.getvalue())
        return summary

    def _files(self, kind: str) -> tuple[str, ...]:
        return ("npz", *self._formats) if kind == "explanation" else ()

    def _path(self, clip: NamedClip, suffix: str) -> Path:
        return self.folder / f"{clip.name}.{suffix}"


def _row(clip: NamedClip, answer: Answer, seconds: float) -> Row:
    best = answer.predictions[0]
    listed = [prediction.label for prediction in answer.predictions]
    label = clip.label
    return Row(
        clip=clip.name,
        label=label,
        predicted=best.label,
        probability=best.probability,
        correct=None if label is None else same_class(label, best.label),
        in_top=None if label is None else any(same_class(label, other) for other in listed),
        seconds=round(seconds, 3),
        faithfulness=_means(each.faithfulness or {} for each in answer.explanations),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _means(scores: Iterable[Mapping[str, float | None]]) -> dict[str, float]:
    """The mean of each measure over those that have it."""
    values: dict[str, list[float]] = {}
    for each in scores:
        for name, value in each.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: sum(values[name]) / len(values[name]) for name in sorted(values)}


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(text, "utf-8", newline="")
    os.replace(draft, path)
