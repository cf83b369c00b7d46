"""What one process of a bulk run does: it loads the model once, and answers clips."""

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from videovisual.utils.text import shown
from videovisual_client.batch import result_content, result_files
from videovisual_client.bulk.address import Output, read_clip
from videovisual_client.bulk.table import ROWS, Labelled, answered
from videovisual_client.commands.explaining import Explainer
from videovisual_client.commands.options import given
from videovisual_client.content_key import clip_sha256, content_key, request_options
from videovisual_client.errors import (
    InvalidRequest,
    MissingExtra,
    UnknownMethod,
    UnknownModel,
    UnsuitableMethod,
    VideoVisualError,
    WriteError,
    one_item,
)
from videovisual_client.labels import class_of
from videovisual_client.local import Local
from videovisual_client.many import concurrently
from videovisual_client.records import Records
from videovisual_client.result import Classification

RUN = "run.json"
"""Says which run writes to a folder."""

CLIPS = "clips"
"""Folder of the records, maps and pictures."""

FATAL = (MissingExtra, UnknownMethod, UnknownModel, UnsuitableMethod, WriteError)
"""Errors of one clip that all others would meet too."""


@dataclass(frozen=True)
class BulkRequest:
    """What is asked of every clip.

    Attributes:
        model: its name.
        methods: names of the catalogue; none to classify only.
        options: of the answers, and the methods' parameters; `target` is a list.
        formats: pictures to make of each explanation.
        out: address of the output.
        run: id of the run, which `run.json` holds.
        store: folder of the archives.
        device: where the models run; None for a GPU if there is one.
        fresh: whether to compute finished answers again.
        concurrency: how many clips a process has under way.
    """

    model: str
    methods: tuple[str, ...]
    options: Mapping[str, Any]
    formats: tuple[str, ...]
    out: str
    run: str
    store: Path
    device: str | None = None
    fresh: bool = False
    concurrency: int = 1

    @property
    def kinds(self) -> tuple[str, ...]:
        """Suffixes of the files of one answer."""
        return ("npz", *self.formats) if self.methods else ()

    def to_json(self) -> dict[str, Any]:
        """What `run.json` and each record say of it."""
        return {"model": self.model, "method": list(self.methods), **given(dict(self.options))}


class Worker:
    """Answers clips; Ray makes one in each of its processes.

    Args:
        request: what is asked.
    """

    def __init__(self, request: BulkRequest) -> None:
        self._request = request
        self._loaded: _Loaded | None = None

    def __call__(self, clips: pa.Table) -> Iterator[pa.Table]:
        """Answer clips, a table of `listing.SCHEMA`; a row of `table.ROWS` for each, in order."""
        rows = clips.to_pylist()
        try:
            loaded = self._loaded = self._loaded or _Loaded(self._request)
        except VideoVisualError as error:
            yield _table(_failed(rows[0], error, fatal=True))
            return
        work = concurrently(loaded.row, rows, concurrency=self._request.concurrency)
        with closing(work) as results:
            for row, result in zip(rows, results, strict=True):
                if isinstance(result, VideoVisualError):
                    yield _table(_failed(row, result))
                else:
                    yield _table(result)


class _Loaded:
    """The model, and where its answers go.

    Raises:
        InvalidRequest: the output is not the one of the run.
        VideoVisualError: as `videovisual.load`, or an option is wrong.
    """

    def __init__(self, request: BulkRequest) -> None:
        self._request = request
        output = Output(request.out)
        _check_shared(output, request)
        self._records = Records(output)
        self._options = request_options(request.methods, given(dict(request.options)))
        self._client = Local(request.device, request.store)
        classifier = self._client.classifier(request.model)
        self._classes = classifier.card.labels
        self._sha256 = classifier.sha256

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row of a clip with its answer, from an earlier run or computed now."""
        with one_item():
            clip = read_clip(row["clip"])
            key = content_key(_sha256(clip), [self._sha256], self._options)
            kinds, fresh = self._request.kinds, self._request.fresh
            record = None if fresh else self._records.find(f"{CLIPS}/{key}", key, kinds)
            computed = record is None
            if record is None:
                began = time.monotonic()
                result = self._answer(clip)
                content = result_content(result, time.monotonic() - began)
                content["request"] = self._request.to_json()
                files = result_files(result, kinds)
                record = self._records.keep(f"{CLIPS}/{key}", key, content, files)
            label = row["label"]
            known = None if label is None else class_of(label, self._classes)
            made = answered(Labelled(row["clip"], label, known), CLIPS, record)
            return made | {"computed": computed}

    def _answer(self, clip: Path | bytes) -> Classification:
        request, options = self._request, dict(self._request.options)
        if not request.methods:
            options.pop("target")
            return self._client.classify(clip, model=request.model, **given(options))
        explainer = Explainer(self._client, request.model, request.methods, options)
        return explainer.explained(lambda fields: self._client.explain(clip, **fields))


def _check_shared(output: Output, request: BulkRequest) -> None:
    try:
        run = json.loads(output.read(RUN))["run"]
    except (OSError, ValueError, LookupError, TypeError):
        run = None
    if run != request.run:
        raise InvalidRequest(
            f"{shown(request.out)} on {platform.node()} is not the folder that the command sees, "
            "or another run writes to it. Give an --out that all machines share, as s3://…, and "
            "one to each run."
        )


def _sha256(clip: Path | bytes) -> str:
    if isinstance(clip, Path):
        return clip_sha256(clip)
    return hashlib.sha256(clip).hexdigest()


def _failed(
    row: Mapping[str, Any], error: VideoVisualError, *, fatal: bool = False
) -> dict[str, Any]:
    about = {"code": error.code, "reason": error.message}
    return {**row, **about, "fatal": fatal or isinstance(error, FATAL)}


def _table(row: Mapping[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([row], schema=ROWS)
