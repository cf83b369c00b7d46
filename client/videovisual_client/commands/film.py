"""A long film, classified second by second and explained at chosen moments.

OUT/timeline/MODEL/NAME/seconds-START.json           the scores of a minute
OUT/timeline/MODEL/NAME/moment-START-CLASS.json      an explanation, without its map
OUT/timeline/MODEL/NAME/moment-START-CLASS.npz       its map

Pieces of the film are sent, each about a minute and cut without decoding, so that all of it is sent
once. A run that was stopped continues from the records of its pieces and moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videovisual.errors import InvalidParameter, InvalidTarget
from videovisual.utils.extras import needs
from videovisual.utils.suggest import did_you_mean
from videovisual.utils.text import shown
from videovisual_client.commands.explaining import Explainer, of_methods
from videovisual_client.commands.folder import FATAL, MOST_CLASSES
from videovisual_client.commands.options import given
from videovisual_client.content_key import clip_sha256, content_key, request_options
from videovisual_client.errors import InvalidRequest, VideoVisualError
from videovisual_client.events import Progress
from videovisual_client.labels import class_of
from videovisual_client.records import Folder, Records
from videovisual_client.result import Explained
from videovisual_client.terminal import log
from videovisual_client.timeline import Moment, Timeline

if TYPE_CHECKING:
    from videovisual.clips.cutting import LongVideo, Piece

PIECES_S = (60, 30, 15, 5, 1)
"""Lengths of the pieces, in seconds: the first of which all are small enough."""

PROBE_S = 20.0
"""Of the piece that tells the model's classes."""

MARGIN_S = 10
"""Of its neighbours a piece has so many seconds until it is known how far the model sees."""

SLACK_S = 0.001
"""A remainder of at most this many seconds has no window, as in a timeline of the server."""

SHOWN_FRAMES = 48
SHOWN_SIDE = 320
"""Of an explained window in the report: the most frames, and their longer side in pixels."""

OF_CLASSIFICATIONS = ("frames", "as_shown", "timeout_s")

Advance = Callable[..., None]
"""As of `terminal.bar`."""


@dataclass(frozen=True)
class Part:
    """A part of the film, in a piece that holds it.

    Attributes:
        piece: what is sent.
        start_s, end_s: in the film's seconds; None for its end.
    """

    piece: Piece
    start_s: float
    end_s: float | None

    @property
    def range(self) -> dict[str, Any]:
        """The options `start_s` and `end_s` of a request about it."""
        begin = self.piece.start_s
        end = None if self.end_s is None else self.end_s - begin
        return given({"start_s": max(self.start_s - begin, 0.0), "end_s": end})


class FilmRun:
    """One film, one model: what is finished is kept, and a later run continues.

    Args:
        explainer: its options are the command's.
        clip: the film's file.
        folder: of its records.
        fresh: whether to compute again what is finished.

    Attributes:
        film: the film, opened.
        start_s, end_s: the part of it that is asked for.
        timeline: what `classify` has found.
        targets: the classes that the options name, by index.
        classifier: the model's `classifier_sha256`; None if the server doesn't tell.

    Raises:
        InvalidParameter: the film has no such range, or an option is wrong.
        MissingExtra: videos can't be read here.
        VideoVisualError: as `LongVideo`.
    """

    def __init__(self, explainer: Explainer, clip: Path, folder: Path, *, fresh: bool) -> None:
        with needs("video"):
            from videovisual.clips.cutting import LongVideo  # noqa: PLC0415
        options = explainer.options
        self.explainer, self.clip, self._fresh = explainer, clip, fresh
        self.film: LongVideo = LongVideo(clip)
        self.start_s: float = options["start_s"] or 0.0
        self.end_s: float = min(options["end_s"] or math.inf, self.film.duration_s)
        if self.start_s >= self.end_s - SLACK_S:
            raise InvalidParameter(
                f"Between start_s = {self.start_s} and end_s = {self.end_s:.3f} is nothing of the "
                f"film, which lasts {self.film.duration_s:.3f} s.",
                parameter="start_s",
            )
        self.timeline = Timeline()
        self.targets: list[int] = []
        self.classifier: str | None = None
        self._margin = MARGIN_S
        self._records = Records(Folder(folder))
        self._fields = given({name: options[name] for name in OF_CLASSIFICATIONS})
        # A wrong parameter of a method is found now, not after the film was classified.
        self._facts("top1")

    @cached_property
    def sha256(self) -> str:
        """Of the film's file."""
        return clip_sha256(self.clip)

    def probe(self) -> None:
        """Learn the model's classes and weights.

        Raises:
            InvalidTarget: a target is no class of the model.
        """
        part = self._part(self.start_s, min(self.start_s + PROBE_S, self.end_s))
        result = self.explainer.client.classify(
            part.piece.data,
            model=self.explainer.model,
            top_k=MOST_CLASSES,
            **part.range,
            **self._fields,
        )
        self.classifier = result.answer.classifier_sha256
        labels = {each.index: each.label for each in result.predictions}
        wanted = self.explainer.options["target"]
        self.targets = [_index(name, labels) for name in wanted if name != "top1"]

    def classify(self, advance: Advance) -> None:
        """Classify every second that has no finished result, a piece of the film after another.

        Raises:
            VideoVisualError: finished pieces are kept.
        """
        length = self.film.piece_length(PIECES_S)
        count = math.ceil((self.end_s - self.start_s - SLACK_S) / length)
        begins = [self.start_s + number * length for number in range(count)]
        spans = [(begin, min(begin + length, self.end_s)) for begin in begins]
        found = {span: self._finished(span) for span in spans}
        left = sum(
            math.ceil(end - begin - SLACK_S) for begin, end in spans if not found[begin, end]
        )
        finished = sum(len(each.windows) for each in found.values() if each)
        if finished:
            log.print(
                f"classifying: {finished} of {finished + left} windows are already classified"
            )
        done = 0
        for span in spans:
            if (kept := found.pop(span)) is None:
                base = done

                def tell(event: Progress, base: int = base) -> None:
                    advance(min(base + event.step, left), left)

                kept = self._classified(span, tell)
                done += len(kept.windows)
            self.timeline.extend(kept)
            self._margin = min(kept.margin_s, MARGIN_S)

    def _part(self, start_s: float, end_s: float) -> Part:
        """The piece that holds a part of the film; the film's own end needs no number."""
        last = end_s >= self.film.duration_s - SLACK_S
        return Part(self.film.cut(start_s, end_s), start_s, None if last else end_s)

    def _key(self, span: tuple[float, float]) -> str:
        options = request_options([], {**self._fields, "top_k": self.explainer.options["top_k"]})
        # The ends of the range move the windows that are near them.
        near = max(span[0] - MARGIN_S, self.start_s), min(span[1] + MARGIN_S, self.end_s)
        facts = {**options, "seconds": span, "range": near, "targets": self.targets}
        return content_key(self.sha256, [self.classifier], facts)

    def _finished(self, span: tuple[float, float]) -> Timeline | None:
        if self._fresh or self.classifier is None:
            return None
        record = self._records.find(_seconds_name(span), self._key(span))
        return None if record is None else Timeline.of(record)

    def _classified(self, span: tuple[float, float], tell: Callable[[Progress], None]) -> Timeline:
        start = max(span[0] - self._margin, self.start_s)
        part = self._part(start, min(span[1] + self._margin, self.end_s))
        top_k = self.explainer.options["top_k"]
        result = self.explainer.client.classify(
            part.piece.data,
            model=self.explainer.model,
            top_k=MOST_CLASSES if self.targets else top_k,
            timeline=True,
            on_progress=tell,
            **part.range,
            **self._fields,
        )
        if result.answer.classifier_sha256 != self.classifier:
            raise InvalidRequest("The model was changed during the run. Run the command again.")
        found = Timeline.of_answer(result.answer, part.piece.start_s, span, top_k, self.targets)
        self._records.keep(_seconds_name(span), self._key(span), asdict(found), {})
        return found

    def explain(
        self, moments: Sequence[Moment], advance: Advance
    ) -> Iterator[tuple[Moment, dict[str, Any]]]:
        """Explain the best window of each moment; yields its record, or its error.

        Raises:
            VideoVisualError: one that all windows meet; finished ones are kept.
        """
        failed = 0
        for done, moment in enumerate(moments):
            advance(done, len(moments))
            name, key = moment_name(moment), self._moment_key(moment)
            usable = not self._fresh and self.classifier is not None
            record = self._records.find(name, key, ["npz"]) if usable else None
            try:
                record = record or self._explained(moment, advance, done, len(moments))
            except FATAL:
                raise
            except VideoVisualError as error:
                failed += 1
                if failed == len(moments):
                    raise
                record = error.as_json()
            yield moment, record

    def _options(self, target: str | int) -> dict[str, Any]:
        return {**self.explainer.options, "target": [target], "start_s": None, "end_s": None}

    def _facts(self, target: str | int) -> dict[str, Any]:
        methods = self.explainer.methods
        options = given(of_methods(methods, methods, self._options(target)))
        return request_options(methods, {**options, "target": target})

    def _moment_key(self, moment: Moment) -> str:
        facts = {**self._facts(moment.index), "sees_s": moment.best.sees_s}
        return content_key(self.sha256, [self.classifier], facts)

    def _explained(self, moment: Moment, advance: Advance, done: int, of: int) -> dict[str, Any]:
        part = self._part(*moment.best.sees_s)
        options = self._options(moment.index) | part.range

        def tell(event: Progress) -> None:
            advance(done, of, f" {event.method or self.explainer.model} {event.step}/{event.of}")

        result = replace(self.explainer, options=options).explained(
            lambda request: self.explainer.client.explain(
                part.piece.data, on_progress=tell, **request
            )
        )
        content = {
            "sees_s": moment.best.sees_s,
            "piece_start_s": part.piece.start_s,
            "answer": result.answer.without_maps(),
            "drawn": _drawn(result, part.piece.start_s),
        }
        name, key = moment_name(moment), self._moment_key(moment)
        return self._records.keep(name, key, content, {"npz": result.to_bytes("npz")})


def _index(name: str | int, labels: dict[int, str]) -> int:
    """The class that a target names.

    Raises:
        InvalidTarget: the model has no such class.
    """
    by_label = {label: index for index, label in labels.items()}
    label = class_of(str(name), list(by_label))
    if label is not None:
        return by_label[label]
    if str(name).isdecimal() and int(name) in labels:
        return int(name)
    raise InvalidTarget(
        f"The model has no class {shown(name)!r}.{did_you_mean(str(name), by_label)}",
        target=str(name),
    )


def _drawn(result: Explained, begin_s: float) -> dict[str, Any]:
    """What the report shows of an explanation, with the film's times."""
    from videovisual import render  # noqa: PLC0415

    drawn = render.report_data(result.answer, result.panels(), frames=SHOWN_FRAMES, side=SHOWN_SIDE)
    drawn["film"]["origin"] += begin_s
    return drawn


def _seconds_name(span: tuple[float, float]) -> str:
    return f"seconds-{span[0]:011.3f}"


def moment_name(moment: Moment) -> str:
    """The name of a moment's files: where its best window begins, and its class's index."""
    return f"moment-{moment.best.start_s:011.3f}-{moment.index}"
