"""What all commands share: where they print, and the model store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from videovisual_client import events

out = Console(highlight=False)
log = Console(stderr=True, highlight=False)

AS_JSON = "videovisual.as_json"

store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("model_store"),
    show_default=True,
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
    """Data for a program, on standard output."""
    click.echo(json.dumps(data, indent=1, default=str))


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; it is told what is done, and of how much."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=log, transient=True, disable=not log.is_terminal) as progress:
        task = progress.add_task(title, total=None, done="", left="")
        began = time.monotonic()

        def advance(done: int, of: int) -> None:
            left = remaining(time.monotonic() - began, done, of)
            progress.update(task, completed=done, total=of, done=f"{done}/{of}", left=left)

        yield advance


@contextmanager
def job_bar(title: str) -> Iterator[Callable[[events.Progress], None]]:
    """A progress bar of one job, its steps and what is left of the method that runs."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=log, transient=True, disable=not log.is_terminal) as progress:
        task = progress.add_task(title, total=None, told="", left="")
        clock = _MethodClock()

        def show(event: events.Progress) -> None:
            told = f"{event.step}/{event.of}"
            if event.probability is not None:
                told += f", p {event.probability:.2f}"
            progress.update(
                task,
                description=f"{title} {event.method}" if event.method else title,
                completed=event.step,
                total=event.of,
                told=told,
                left=clock.left(event),
            )

        yield show


class _MethodClock:
    """When the method that runs began, for servers that don't say how long it will take."""

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
        return remaining(time.monotonic() - self._began, event.step, event.of)


def remaining(elapsed_s: float, done: int, of: int) -> str:
    """How long the rest takes at the pace so far; empty while that is unknown."""
    return _duration(elapsed_s * (of - done) / done) if done else ""


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} left"
