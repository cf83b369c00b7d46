"""Runs a folder of clips, with a progress bar, and prints its summary."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import click
from rich.markup import escape

from videovisual.protocol import HEADLINE, said
from videovisual.utils.folder import listed
from videovisual.utils.text import shown
from videovisual_client import exits
from videovisual_client.base_client import BaseClient
from videovisual_client.batch import Batch
from videovisual_client.collection import Collection, NamedClip
from videovisual_client.commands.options import RunOptions, given
from videovisual_client.content_key import clip_sha256
from videovisual_client.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidRequest,
    UnknownMethod,
    UnknownModel,
    VideoVisualError,
)
from videovisual_client.labels import named
from videovisual_client.many import concurrently
from videovisual_client.result import Classification
from videovisual_client.terminal import bar, log, number, out, print_json, table

FATAL = (AuthenticationFailed, ConnectionFailed, UnknownMethod, UnknownModel)
"""Errors of one clip that all others would meet too."""

MOST_CLASSES = 1000
"""The most classes that one answer lists."""

PROBES = 3
"""How many clips are classified at most to learn the model's classes."""

OF_CLASSIFICATIONS = ("frames", "start_s", "end_s", "timeout_s", "views")


def run(
    client: BaseClient,
    collection: Collection,
    batch: Batch,
    send: Callable[[NamedClip], Classification],
    *,
    title: str,
    model: str,
    options: Mapping[str, Any],
    run: RunOptions,
    stop: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run the clips that have no finished result, and write and return the summary of all.

    One clip is classified first: the answer has the names of all classes, and tells which finished
    results are of the same model. Calls `send` in threads, and `stop` when the run ends early.

    Raises:
        VideoVisualError: an error that all clips would meet; finished results are kept.
    """
    clips = list(collection.clips)
    fields = given({name: options.get(name) for name in OF_CLASSIFICATIONS})
    classifier: str | None = None
    for clip in sorted(clips, key=lambda clip: not batch.is_known(clip))[:PROBES]:
        try:
            probed = client.classify(clip.path, model=model, top_k=MOST_CLASSES, **fields)
        except FATAL:
            raise
        except VideoVisualError:
            continue
        if len(probed.predictions) < MOST_CLASSES:
            in_order = sorted(probed.predictions, key=lambda each: each.index)
            batch.classes = [each.label for each in in_order]
        classifier = probed.answer.classifier_sha256
        break
    found = {clip.name: None if run.fresh else batch.find(clip, classifier) for clip in clips}
    finished = {name: result for name, result in found.items() if result is not None}
    clips, remark = named(clips, batch.classes)
    batch.remarks = [*collection.remarks(), *([remark] if remark else [])]
    for clip in clips:
        if clip.name in finished:
            batch.restore(clip, finished[clip.name])
    if finished:
        log.print(f"{title}: already finished: {len(finished)} of {len(clips)}")
    waiting = [clip for clip in clips if clip.name not in finished]

    def work(clip: NamedClip) -> tuple[Classification, float, str]:
        began = time.monotonic()
        try:
            digest = clip_sha256(clip.path)
        except OSError as error:
            raise InvalidRequest(f"{clip.name} can't be read: {error.strerror}.") from error
        return send(clip), time.monotonic() - began, digest

    results = concurrently(work, waiting, concurrency=run.concurrency, stop=stop)
    try:
        with closing(results), bar(title) as advance:
            advance(0, len(waiting))
            for index, (clip, result) in enumerate(zip(waiting, results, strict=True), start=1):
                if isinstance(result, FATAL):
                    raise result
                _keep(batch, clip, result)
                advance(index, len(waiting))
    finally:
        summary = batch.write_summary()
    return summary


def _keep(
    batch: Batch, clip: NamedClip, result: tuple[Classification, float, str] | VideoVisualError
) -> None:
    try:
        if isinstance(result, VideoVisualError):
            raise result
        batch.keep(clip, *result)
    except VideoVisualError as error:
        batch.fail(clip, error)


def show(summaries: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print the summaries, and exit with their status."""
    if as_json:
        print_json(summaries[0] if len(summaries) == 1 else list(summaries))
    else:
        for summary in summaries:
            _show(summary)
    if any(summary["failed"] for summary in summaries):
        click.get_current_context().exit(exits.SOME_FAILED)


def _show(summary: dict[str, Any]) -> None:
    measures = [name for name in HEADLINE if name in summary["faithfulness"]]
    rows = table("clip", "label", "predicted", "", *measures)
    for row in summary["rows"]:
        names = escape(row["clip"]), escape(row["label"] or "")
        if row["error"]:
            rows.add_row(*names, f"[red]{escape(row['error'])}[/]")
            continue
        scores = [number(row["faithfulness"].get(name)) for name in measures]
        mark = {True: "right", False: "wrong", None: ""}[row["correct"]]
        predicted = f"{escape(row['predicted'])} ({said(row['probability'], row['logit'])})"
        rows.add_row(*names, predicted, mark, *scores)
    out.print(rows)
    totals = f"clips: {summary['clips']}, failed: {summary['failed']}"
    if summary["accuracy"] is not None:
        totals += (
            f"; accuracy {100 * summary['accuracy']:.1f}% of {summary['labelled']} that count, "
            f"label among the listed classes {100 * summary['in_top']:.1f}%"
        )
    for name in measures:
        totals += f"; mean {name} {summary['faithfulness'][name]:.3f}"
    out.print(totals, soft_wrap=True)
    for remark in summary["remarks"]:
        log.print(remark, soft_wrap=True, markup=False)
    if summary["unknown_labels"]:
        unknown = [f"{shown(name)} ({n})" for name, n in summary["unknown_labels"].items()]
        log.print(
            "of a class that the model doesn't have, so they don't count: "
            f"{sum(summary['unknown_labels'].values())} ({listed(unknown)})",
            soft_wrap=True,
            markup=False,
        )
    log.print(
        f"results in {summary['folder']}, overview in index.html", soft_wrap=True, markup=False
    )
