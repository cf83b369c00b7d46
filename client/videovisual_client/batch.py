"""The results of a folder of clips, from which a stopped run continues.

OUT/METHOD/MODEL/NAME.json    the request and the answer without the map; written last
OUT/METHOD/MODEL/NAME.npz     the map, beside the requested pictures NAME.png, …
OUT/METHOD/MODEL/summary.csv  one line per clip
OUT/METHOD/MODEL/summary.json the same, with the accuracy over all clips
OUT/METHOD/MODEL/index.html   the same, with links to the pictures
"""

import csv
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from videovisual.protocol import Answer, Prediction
from videovisual.protocol.caveats import caveats
from videovisual.utils.digest import file_sha256
from videovisual.utils.files import write_whole
from videovisual.utils.folder import frame_files
from videovisual.version import __version__
from videovisual_client.collection import NamedClip
from videovisual_client.errors import VideoVisualError
from videovisual_client.labels import class_of
from videovisual_client.overview import to_page
from videovisual_client.result import Classification, Explained

SAME_LOGIT = 1e-3
"""Two answers of one model to one request differ by less, whatever device computed them."""


@dataclass(frozen=True)
class Row:
    """One clip in the summary.

    Attributes:
        clip: its name.
        label: its class; None without one.
        predicted, probability: the best class; raw scores have no probability.
        correct: whether the best class is the label; None without a label, or if the model has no
            such class.
        in_top: whether the label is among the listed classes; None as `correct`.
        seconds: from request to answer.
        faithfulness: the mean of each measure over the clip's explanations.
        caveats: warnings about the explanations.
        files: the pictures, beside the summary.
        error: the error's code and message; None if the clip succeeded.
        logit: of the best class.
    """

    clip: str
    label: str | None
    predicted: str | None = None
    probability: float | None = None
    correct: bool | None = None
    in_top: bool | None = None
    seconds: float | None = None
    faithfulness: Mapping[str, float] = field(default_factory=dict)
    caveats: Sequence[str] = ()
    files: Sequence[str] = ()
    error: str | None = None
    logit: float | None = None


@dataclass(frozen=True)
class Finished:
    """A result of an earlier run: the answer without maps, and how long it took."""

    answer: Answer
    seconds: float


class Batch:
    """One folder of results.

    A clip's result counts as finished if its content, the request, and the version of this
    package are the same.

    Args:
        folder: OUT/METHOD/MODEL.
        request: the options of each clip's request; results of another request don't count.
        formats: pictures to make of each explanation.

    Attributes:
        classes: the model's, by index; None while they are unknown.
        remarks: sentences about what doesn't count, for the summary.
    """

    def __init__(
        self, folder: Path, request: Mapping[str, Any], formats: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.classes: Sequence[str] | None = None
        self.remarks: Sequence[str] = ()
        self._request = json.loads(json.dumps(request, default=str))
        self._formats = tuple(formats)
        self._rows: dict[str, Row] = {}

    def find(self, clip: NamedClip) -> Finished | None:
        """The clip's result, if there is one of the same content and request."""
        try:
            record = json.loads(self._path(clip, "json").read_text("utf-8"))
            if record["request"] != self._request or record["version"] != __version__:
                return None
            if any(not self._path(clip, kind).is_file() for kind in self._files(record["kind"])):
                return None
            if record["sha256"] != sha256_of(clip.path):
                return None
            answer = Answer.model_validate(record["answer"])
            return Finished(answer, float(record["seconds"])) if answer.predictions else None
        except (OSError, ValueError, KeyError, TypeError, VideoVisualError):
            return None

    def restore(self, clip: NamedClip, finished: Finished) -> None:
        """Count a result that an earlier run has finished."""
        self._rows[clip.name] = self._row(clip, finished.answer, finished.seconds)

    def keep(self, clip: NamedClip, result: Classification, seconds: float, sha256: str) -> Row:
        """Write a result, and return the clip's row.

        Args:
            clip: the clip.
            result: its result.
            seconds: from request to answer.
            sha256: `sha256_of` the clip, from before the request.
        """
        record_path = self._path(clip, "json")
        # Until it is written again, the old record must not vouch for the new files.
        record_path.unlink(missing_ok=True)
        kind = "explanation" if isinstance(result, Explained) else "classification"
        if isinstance(result, Explained):
            for suffix in self._files(kind):
                result.save(self._path(clip, suffix))
        record = {
            "clip": str(clip.path),
            "sha256": sha256,
            "label": clip.label,
            "kind": kind,
            "request": self._request,
            "version": __version__,
            "seconds": round(seconds, 3),
            "answer": result.answer.without_maps(),
        }
        write_whole(record_path, json.dumps(record, indent=1))
        row = self._rows[clip.name] = self._row(clip, result.answer, seconds)
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
        unknown = Counter(
            row.label
            for row in rows
            if row.label is not None and row.correct is None and row.error is None
        )
        return {
            "folder": str(self.folder),
            "clips": len(rows),
            "failed": sum(row.error is not None for row in rows),
            "labelled": len(labelled),
            "accuracy": _mean([float(bool(row.correct)) for row in labelled]),
            "in_top": _mean([float(bool(row.in_top)) for row in labelled]),
            "unknown_labels": dict(unknown),
            "remarks": list(self.remarks),
            "faithfulness": _means(row.faithfulness for row in rows),
            "rows": [asdict(row) for row in rows],
        }

    def write_summary(self) -> dict[str, Any]:
        """Write `summary.csv`, `summary.json` and `index.html`."""
        summary = self.summary()
        write_whole(self.folder / "summary.json", json.dumps(summary, indent=1))
        measures = list(summary["faithfulness"])
        buffer = io.StringIO()
        apart = {"faithfulness", "caveats", "files"}
        plain = [name for name in Row.__dataclass_fields__ if name not in apart]
        table = csv.DictWriter(buffer, [*plain, *measures], extrasaction="ignore")
        table.writeheader()
        for row in summary["rows"]:
            table.writerow(row | row["faithfulness"])
        write_whole(self.folder / "summary.csv", buffer.getvalue())
        write_whole(self.folder / "index.html", to_page(summary, self._request))
        return summary

    def _files(self, kind: str) -> tuple[str, ...]:
        return ("npz", *self._formats) if kind == "explanation" else ()

    def _path(self, clip: NamedClip, suffix: str) -> Path:
        return self.folder / f"{clip.name}.{suffix}"

    def _row(self, clip: NamedClip, answer: Answer, seconds: float) -> Row:
        best = answer.predictions[0]
        listed = [prediction.label for prediction in answer.predictions]
        label = clip.label
        if label is not None:
            label = class_of(label, listed if self.classes is None else self.classes)
            if label is None and self.classes is None:
                label = clip.label
        pictures = self._formats if answer.explanations else ()
        return Row(
            clip=clip.name,
            label=clip.label,
            predicted=best.label,
            probability=best.probability,
            logit=best.logit,
            correct=None if label is None else label == best.label,
            in_top=None if label is None else label in listed,
            seconds=round(seconds, 3),
            faithfulness=_means(each.faithfulness or {} for each in answer.explanations),
            caveats=[line for each in answer.explanations for line in caveats(each)],
            files=[f"{clip.name}.{suffix}" for suffix in pictures],
        )


def sha256_of(clip: Path) -> str:
    """SHA-256 of a clip's file, or of the names and bytes of its frames in order.

    Raises:
        VideoVisualError: the folder holds no clip.
        OSError: it can't be read.
    """
    if not clip.is_dir():
        return file_sha256(clip)
    digest = hashlib.sha256()
    for path in frame_files(clip):
        name = os.fsencode(path.relative_to(clip))
        digest.update(b"%d:%s:%s" % (len(name), name, file_sha256(path).encode()))
    return digest.hexdigest()


def agree(before: Sequence[Prediction], now: Sequence[Prediction]) -> bool:
    """Whether two answers can be of the same model: the same classes with the same scores."""
    return len(before) <= len(now) and all(
        old.label == new.label and abs(old.logit - new.logit) <= SAME_LOGIT * max(1, abs(old.logit))
        for old, new in zip(before, now, strict=False)
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
