"""Runs a folder of clips, with a progress bar, and prints its summary."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from videovisual_client import exits
from videovisual_client.batch import Batch
from videovisual_client.collection import NamedClip
from videovisual_client.commands.options import RunOptions
from videovisual_client.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    UnknownMethod,
    UnknownModel,
    VideoVisualError,
)
from videovisual_client.many import concurrently
from videovisual_client.result import Classification
from videovisual_client.terminal import bar, log, number, out, print_json

FATAL = (AuthenticationFailed, ConnectionFailed, UnknownMethod, UnknownModel)
"""Errors of one clip that all others would meet too."""


def run(
    clips: Sequence[NamedClip],
    batch: Batch,
    send: Callable[[NamedClip], Classification],
    *,
    title: str,
    run: RunOptions,
    stop: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run the clips that have no finished result, and write and return the summary of all.

    Calls `send` in threads, and `stop` when the run ends early.

    Raises:
        VideoVisualError: an error that all clips would meet; finished results are kept.
    """
    waiting = [clip for clip in clips if run.fresh or batch.find(clip) is None]
    finished = len(clips) - len(waiting)
    if finished:
        log.print(f"{title}: {finished} of {len(clips)} clips are already finished")

    def work(clip: NamedClip) -> tuple[Classification, float]:
        began = time.monotonic()
        return send(clip), time.monotonic() - began

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
    batch: Batch, clip: NamedClip, result: tuple[Classification, float] | VideoVisualError
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
    measures = list(summary["faithfulness"])
    table = Table("clip", "label", "predicted", "", *measures, box=None)
    for row in summary["rows"]:
        names = escape(row["clip"]), escape(row["label"] or "")
        if row["error"]:
            table.add_row(*names, f"[red]{escape(row['error'])}[/]")
            continue
        scores = [number(row["faithfulness"].get(name)) for name in measures]
        mark = {True: "right", False: "wrong", None: ""}[row["correct"]]
        predicted = f"{escape(row['predicted'])} ({100 * row['probability']:.1f}%)"
        table.add_row(*names, predicted, mark, *scores)
    out.print(table)
    totals = f"{summary['clips']} clips, {summary['failed']} failed"
    if summary["accuracy"] is not None:
        totals += (
            f"; accuracy {100 * summary['accuracy']:.1f}%, label among the listed classes "
            f"{100 * summary['in_top']:.1f}%, of {summary['labelled']} labelled clips"
        )
    for name in measures:
        totals += f"; mean {name} {summary['faithfulness'][name]:.3f}"
    out.print(totals, soft_wrap=True)
    log.print(f"results in {summary['folder']}", soft_wrap=True, markup=False)
