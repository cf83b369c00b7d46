"""The commands that ask a server: `videovisual classify`, `explain` and `evaluate`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from videovisual.protocol import MAX_VIEWS
from videovisual_client.client import DEFAULT_URL, Client
from videovisual_client.describe import describe
from videovisual_client.result import Classification, Explained
from videovisual_client.terminal import log, out

SHOWN_A_SECOND = 3
MEASURES = ("insertion", "deletion", "sensitivity_n", "relative_delta")

Function = TypeVar("Function", bound=Callable[..., None])

server_options = [
    click.option("--url", default=DEFAULT_URL, show_default=True, help="Inference address."),
    click.option("--token", envvar="VIDEOVISUAL_TOKEN", help="Inference key."),
    click.option(
        "--key-file",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="VIDEOVISUAL_KEY_FILE",
        help="TorchServe's key_file.json.",
    ),
]
clip_options = [
    click.argument("clip", type=click.Path(exists=True, path_type=Path)),
    click.option("--model", required=True, help="A served model's name."),
    click.option("--top-k", default=5, show_default=True, type=click.IntRange(1, 1000)),
    click.option("--frames", type=int, help="Frames of the clip; the model's own by default."),
    click.option("--start", "start_s", type=float, help="Where the clip starts, in seconds."),
    click.option("--end", "end_s", type=float, help="Where the clip ends, in seconds."),
    click.option("--timeout", "timeout_s", type=float, help="Seconds after which to give up."),
    click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON."),
]


method_options = [
    click.option(
        "--method", multiple=True, help="An attribution method; may be repeated. [grad_cam]"
    ),
    click.option("--target", multiple=True, help="Class name, index or top1; may be repeated."),
    click.option("--seed", type=int, help="Seed of all randomness."),
    click.option("-p", "--param", multiple=True, metavar="NAME=VALUE", help="A parameter."),
    click.option("--steps", type=int, help="Short for -p steps=…"),
    click.option("--area", type=float, help="Short for -p area=…"),
    click.option("--baseline", help="Short for -p baseline=…"),
    click.option("--layer", help="Short for -p layer=…"),
]


def _with(options: list[Callable[[Function], Function]]) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.command()
@_with([*clip_options, *server_options])
@click.option(
    "--views",
    type=click.IntRange(1, MAX_VIEWS),
    help="So many windows of the clip, whose scores are averaged.",
)
@click.option("--timeline", is_flag=True, help="Classify every second by itself too.")
def classify(
    clip: Path,
    model: str,
    as_json: bool,
    url: str,
    token: str | None,
    key_file: Path | None,
    views: int | None,
    timeline: bool,
    **options: Any,
) -> None:
    """Say what CLIP, a video or a folder of frames, shows.

    \b
    Examples: videovisual classify clip.mp4 --model i3d-kinetics400
              videovisual classify long.mp4 --model i3d-kinetics400 --views 10
              videovisual classify long.mp4 --model i3d-kinetics400 --timeline
    """
    several = timeline or views
    with Client(url, token=token, key_file=key_file) as client, _bar("classifying") as advance:
        result = client.classify(
            clip,
            model=model,
            views=views,
            timeline=timeline or None,
            on_progress=(lambda step: advance(step.step, step.of)) if several else None,
            **options,
        )
    _show(result, as_json)


@click.command()
@_with([*clip_options, *method_options, *server_options])
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File to write: .json, .npz, .png or .mp4; may be repeated.",
)
def explain(
    clip: Path,
    model: str,
    as_json: bool,
    url: str,
    token: str | None,
    key_file: Path | None,
    output: tuple[Path, ...],
    **options: Any,
) -> None:
    """Say what CLIP shows, and which part of it made the model say so.

    \b
    Example: videovisual explain clip.mp4 --model i3d-kinetics400 \\
               --method integrated_gradients --steps 20 -o overlay.mp4 -o map.npz
    """
    result = _explain(clip, model, url, token, key_file, **options)
    _show(result, as_json)
    for path in output:
        log.print(f"wrote {result.save(path)}")


@click.command()
@_with([*clip_options, *method_options, *server_options])
def evaluate(
    clip: Path,
    model: str,
    as_json: bool,
    url: str,
    token: str | None,
    key_file: Path | None,
    **options: Any,
) -> None:
    """Explain CLIP, and measure how faithful each explanation is.

    \b
    Example: videovisual evaluate clip.mp4 --model i3d-kinetics400 \\
               --method grad_cam --method integrated_gradients
    """
    result = _explain(clip, model, url, token, key_file, evaluate=True, **options)
    if as_json:
        print(result.answer.model_dump_json(indent=1))
        return
    table = Table("method", "target", *MEASURES, box=None)
    for explanation in result.explanations:
        scores = explanation.faithfulness or {}
        shown = [_number(scores.get(name)) for name in MEASURES]
        table.add_row(explanation.method, explanation.target.label, *shown)
    out.print(table)
    out.print("insertion and sensitivity_n: higher is better; deletion, relative_delta: lower.")


def _explain(
    clip: Path,
    model: str,
    url: str,
    token: str | None,
    key_file: Path | None,
    *,
    method: tuple[str, ...],
    target: tuple[str, ...],
    param: tuple[str, ...],
    **options: Any,
) -> Explained:
    parameters: dict[str, Any] = dict(_pair(text) for text in param)
    with Client(url, token=token, key_file=key_file) as client, _bar("explaining") as advance:
        return client.explain(
            clip,
            model=model,
            method=(method[0] if len(method) == 1 else method) or None,
            target=(target[0] if len(target) == 1 else target) or "top1",
            on_progress=lambda step: advance(step.step, step.of),
            **options,
            **parameters,
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not re.fullmatch(r"[a-z_]+", name):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    return name, value


def _show(result: Classification, as_json: bool) -> None:
    if as_json:
        print(result.answer.model_dump_json(indent=1))
        return
    table = Table("class", "probability", box=None)
    for prediction in result.predictions:
        table.add_row(prediction.label, f"{100 * prediction.probability:.1f}%")
    out.print(table)
    if result.timeline:
        _show_timeline(result)
    if isinstance(result, Explained):
        for explanation in result.explanations:
            for line in describe(explanation):
                out.print(line)


def _show_timeline(result: Classification) -> None:
    table = Table("seconds", "classes", box=None)
    for second in result.timeline:
        classes = ", ".join(
            f"{prediction.label} {100 * prediction.probability:.0f}%"
            for prediction in second.predictions[:SHOWN_A_SECOND]
        )
        table.add_row(f"{second.start_s:.0f}-{second.end_s:.4g}", classes)
    out.print(table)


@contextmanager
def _bar(title: str) -> Iterator[Any]:
    columns = (SpinnerColumn(), TextColumn(title), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=log, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
