"""Printing, progress bars and two options that all commands share."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from videovisual.names import default_store
from videovisual.protocol import Answer
from videovisual_client import events

UNLIMITED = 100_000
"""The width, in characters, where no terminal shows the text: nothing is wrapped or cut."""

EVERY_S = 10.0
"""How often a line tells the progress where there is no terminal."""


def console(stream: TextIO, *, stderr: bool = False) -> Console:
    """A console of the terminal's width; of no width if the stream is a file or a pipe."""
    fixed = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, highlight=False, width=None if fixed else UNLIMITED)


out = console(sys.stdout)
log = console(sys.stderr, stderr=True)

AS_JSON = "videovisual.as_json"

store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=default_store,
    show_default="$VIDEOVISUAL_STORE, else model_store",
    help="Folder of the archives.",
)


def _remember(context: click.Context, _: click.Parameter, value: bool) -> bool:
    context.meta[AS_JSON] = value
    return value


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_remember,
    help="Print JSON, and nothing else, to standard output.",
)


def print_json(data: Any) -> None:
    """Print data as JSON to standard output."""
    click.echo(json.dumps(data, indent=1, default=str))


def print_answer(answer: Answer, maps: bool, **more: Any) -> None:
    """Print an answer as JSON, with or without its maps' values."""
    print_json({**(answer.model_dump(mode="json") if maps else answer.without_maps()), **more})


def table(*titles: str) -> Table:
    """A table whose cells are never cut: what doesn't fit continues on the next line."""
    return Table(*(Column(title, overflow="fold") for title in titles), box=None)


def number(value: float | None) -> str:
    """A number with three decimals; `-` for None."""
    return "-" if value is None else f"{value:.3f}"


@contextmanager
def bar(title: str) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error: `advance(done, of, note="")` sets items and title."""
    with _progress(title) as update:
        began = time.monotonic()

        def advance(done: int, of: int, note: str = "") -> None:
            left = _remaining(time.monotonic() - began, done, of)
            about = {"description": f"{title}{note}", "done": f"{done}/{of}", "left": left}
            update(completed=done, total=of, **about)

        yield advance


@contextmanager
def job_bar(title: str) -> Iterator[Callable[[events.Progress], None]]:
    """A progress bar of one job: the running method, its steps, and the time left."""
    with _progress(title) as update:
        clock = _MethodClock()

        def show(event: events.Progress) -> None:
            done = f"{event.step}/{event.of}"
            if event.probability is not None:
                done += f", p {event.probability:.2f}"
            update(
                description=f"{title} {event.method}" if event.method else title,
                completed=event.step,
                total=event.of,
                done=done,
                left=clock.left(event),
            )

        yield show


@contextmanager
def _progress(title: str) -> Iterator[Callable[..., None]]:
    if not log.is_terminal:
        yield _Lines(title).update
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=log, transient=True) as progress:
        task = progress.add_task(title, total=None, done="", left="")
        yield lambda **fields: progress.update(task, **fields)


class _Lines:
    """A line of progress now and then, for logs."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._told = time.monotonic()

    def update(self, **fields: Any) -> None:
        if time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            known = (fields.get("description", self._title), fields["done"], fields["left"])
            log.print(" ".join(filter(None, known)), markup=False)


class _MethodClock:
    """Estimates the time left of the running method where the server doesn't."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last: tuple[str | None, str | None, int] = (None, None, 0)

    def left(self, event: events.Progress) -> str:
        method, target, step = self._last
        if (method, target) != (event.method, event.target) or event.step < step:
            self._began = time.monotonic()
        self._last = (event.method, event.target, event.step)
        if event.eta_s is not None:
            return _duration(event.eta_s)
        return _remaining(time.monotonic() - self._began, event.step, event.of)


def _remaining(elapsed_s: float, done: int, of: int) -> str:
    """The time left at the speed so far; empty before the first step is done."""
    return _duration(elapsed_s * (of - done) / done) if done else ""


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} left"
