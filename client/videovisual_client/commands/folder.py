"""A folder of clips, one after the other, with a bar and a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from videovisual_client import exits
from videovisual_client.batch import Batch, Row
from videovisual_client.collection import NamedClip
from videovisual_client.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    UnknownMethod,
    UnknownModel,
    VideoVisualError,
)
from videovisual_client.many import concurrently
from videovisual_client.result import Classification
from videovisual_client.terminal import bar, log, out, print_json

HOPELESS = (AuthenticationFailed, ConnectionFailed, UnknownMethod, UnknownModel)
"""What fails one clip in these ways fails all."""


def run(
    clips: Sequence[NamedClip],
    batch: Batch,
    ask: Callable[[NamedClip], Classification],
    *,
    title: str,
    concurrency: int,
    fresh: bool,
    stop: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Ask about each clip that has no finished result; the summary of all, which is written too.

    Raises:
        VideoVisualError: one that would meet every clip; what is finished is kept.
    """
    waiting = [clip for clip in clips if fresh or batch.find(clip) is None]
    finished = len(clips) - len(waiting)
    if finished:
        log.print(f"{title}: {finished} of {len(clips)} clips were finished before")

    def work(clip: NamedClip) -> tuple[Classification, float]:
        began = time.monotonic()
        return ask(clip), time.monotonic() - began

    results = concurrently(work, waiting, concurrency=concurrency, stop=stop)
    try:
        with closing(results), bar(title) as advance:
            advance(0, len(waiting))
            for index, (clip, result) in enumerate(zip(waiting, results, strict=True), start=1):
                if isinstance(result, HOPELESS):
                    raise result
                _take(batch, clip, result)
                advance(index, len(waiting))
    finally:
        summary = batch.write_summary()
    return summary


def _take(
    batch: Batch, clip: NamedClip, result: tuple[Classification, float] | VideoVisualError
) -> Row:
    if isinstance(result, VideoVisualError):
        return batch.fail(clip, result)
    try:
        return batch.keep(clip, *result)
    except VideoVisualError as error:
        return batch.fail(clip, error)


def show(summaries: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print the summaries, and leave with the status that they deserve."""
    if as_json:
        print_json(summaries[0] if len(summaries) == 1 else list(summaries))
    else:
        for summary in summaries:
            _show(summary)
    if any(summary["failed"] for summary in summaries):
        click.get_current_context().exit(exits.SOME_FAILED)


def _show(summary: dict[str, Any]) -> None:
    measures = list(summary["faithfulness"])
    table = Table("clip", "label", "predicted", "", *measures, box=None)
    for row in summary["rows"]:
        names = escape(row["clip"]), escape(row["label"] or "")
        if row["error"]:
            table.add_row(*names, f"[red]{escape(row['error'])}[/]")
            continue
        scores = [_number(row["faithfulness"].get(name)) for name in measures]
        mark = {True: "right", False: "wrong", None: ""}[row["correct"]]
        predicted = f"{escape(row['predicted'])} ({100 * row['probability']:.1f}%)"
        table.add_row(*names, predicted, mark, *scores)
    out.print(table)
    told = f"{summary['clips']} clips, {summary['failed']} failed"
    if summary["accuracy"] is not None:
        told += (
            f"; accuracy {100 * summary['accuracy']:.1f}%, among the classes listed "
            f"{100 * summary['in_top']:.1f}% of {summary['labelled']} with a label"
        )
    for name in measures:
        told += f"; mean {name} {summary['faithfulness'][name]:.3f}"
    out.print(told, soft_wrap=True)
    log.print(f"results in {summary['folder']}", soft_wrap=True, markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
