"""The results of a folder of clips, from which a stopped run continues.

OUT/METHOD/MODEL/NAME.json    the request and the answer without the map; written last
OUT/METHOD/MODEL/NAME.npz     the map, beside the requested pictures NAME.png, …
OUT/METHOD/MODEL/NAME.evidence.json  the evidence record, if it was asked for
OUT/METHOD/MODEL/summary.csv  one line per clip
OUT/METHOD/MODEL/summary.json the same, with the accuracy over all clips
OUT/METHOD/MODEL/index.html   the same, with links to the pictures
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from videovisual.evidence import SigningKey
from videovisual.protocol import Answer
from videovisual.protocol.caveats import caveats
from videovisual.utils.files import write_whole
from videovisual.utils.suffixes import RECORD_SUFFIX
from videovisual_client.collection import NamedClip
from videovisual_client.content_key import clip_sha256, content_key, request_options
from videovisual_client.errors import VideoVisualError
from videovisual_client.labels import class_of
from videovisual_client.overview import to_page
from videovisual_client.records import Folder, Records
from videovisual_client.result import RECORD, Classification, Explained


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
        words: the summary of each explanation.
        files: the pictures and the record, beside the summary.
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
    words: Sequence[str] = ()
    files: Sequence[str] = ()
    error: str | None = None
    logit: float | None = None


@dataclass(frozen=True)
class Finished:
    """A result of an earlier run: the answer without maps, and how long it took."""

    answer: Answer
    seconds: float


@dataclass(frozen=True)
class Files:
    """The files to make of each explanation, beside its map.

    Attributes:
        formats: of `PICTURES`, and `RECORD` for an evidence record.
        key: signs the records.
    """

    formats: Sequence[str] = ()
    key: SigningKey | None = None

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the files' names end in."""
        return tuple(RECORD_SUFFIX if name == RECORD else name for name in self.formats)

    @property
    def signer(self) -> str | None:
        """Id of the key that signs the records; None if there is none to sign, or no key."""
        return self.key.id if self.key is not None and RECORD in self.formats else None


class Batch:
    """One folder of results.

    A clip's result counts as finished if its `content_key` is the same, its files are there, and
    its record is signed by the key, if one is given.

    Args:
        folder: OUT/METHOD/MODEL.
        request: `model`, `method` and the options of each clip's request.
        files: to make of each explanation.

    Attributes:
        classes: the model's, by index; None while they are unknown.
        remarks: sentences about what doesn't count, for the summary.

    Raises:
        InvalidParameter, UnknownMethod: as `request_options`.
    """

    def __init__(
        self, folder: Path, request: Mapping[str, Any], files: Files | None = None
    ) -> None:
        self.folder = folder
        self.classes: Sequence[str] | None = None
        self.remarks: Sequence[str] = ()
        self._request = dict(request)
        self._files = files or Files()
        self._rows: dict[str, Row] = {}
        self._records = Records(Folder(folder))
        options = {name: value for name, value in request.items() if name != "model"}
        methods = options.pop("method", ())
        self._kinds = ("npz", *self._files.suffixes) if methods else ()
        self._options = request_options(methods, options)

    def is_known(self, clip: NamedClip) -> bool:
        """Whether an earlier run has finished the clip, perhaps with another request."""
        return self._records.exists(clip.name)

    def find(self, clip: NamedClip, classifier: str | None) -> Finished | None:
        """The clip's result, if there is one of the same key.

        Args:
            clip: the clip.
            classifier: `Answer.classifier_sha256` of the model; None if unknown.
        """
        if classifier is None or not self.is_known(clip):
            return None
        try:
            key = content_key(clip_sha256(clip.path), [classifier], self._options)
            record = self._records.find(clip.name, key, self._kinds)
            if record is None or self._files.signer not in (None, record.get("signed_by")):
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
            sha256: `clip_sha256` of the clip, from before the request.
        """
        content = result_content(result, seconds) | {
            "clip": str(clip.path),
            "label": clip.label,
            "request": self._request,
            "signed_by": self._files.signer,
        }
        # Of a model that doesn't name its weights, no result counts as finished.
        key = content_key(sha256, [result.answer.classifier_sha256], self._options)
        files = result_files(result, self._kinds, self._files.key)
        self._records.keep(clip.name, key, content, files)
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
        apart = {"faithfulness", "caveats", "words", "files"}
        plain = [name for name in Row.__dataclass_fields__ if name not in apart]
        table = csv.DictWriter(buffer, [*plain, *measures], extrasaction="ignore")
        table.writeheader()
        for row in summary["rows"]:
            table.writerow(row | row["faithfulness"])
        write_whole(self.folder / "summary.csv", buffer.getvalue())
        write_whole(self.folder / "index.html", to_page(summary, self._request))
        return summary

    def _row(self, clip: NamedClip, answer: Answer, seconds: float) -> Row:
        best = answer.predictions[0]
        listed = [prediction.label for prediction in answer.predictions]
        label = clip.label
        if label is not None:
            label = class_of(label, listed if self.classes is None else self.classes)
            if label is None and self.classes is None:
                label = clip.label
        made = self._files.suffixes if answer.explanations else ()
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
            words=[each.summary for each in answer.explanations if each.summary],
            files=[f"{clip.name}.{suffix}" for suffix in made],
        )


def result_content(result: Classification, seconds: float) -> dict[str, Any]:
    """What the record of a result holds: the answer without maps, and how long it took."""
    return {"seconds": round(seconds, 3), "answer": result.answer.without_maps()}


def result_files(
    result: Classification, kinds: Sequence[str], key: SigningKey | None = None
) -> dict[str, bytes]:
    """The files of a result, by their suffixes; `key` signs a record.

    Raises:
        MissingExtra, VideoVisualError: as `Explained.to_bytes` and `Explained.to_record`.
    """
    if not isinstance(result, Explained):
        return {}
    return {
        kind: result.to_record(key) if kind == RECORD_SUFFIX else result.to_bytes(kind)
        for kind in kinds
    }


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
