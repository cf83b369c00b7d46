"""The command `videovisual`."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from videovisual.errors import MissingExtra, VideoVisualError
from videovisual.version import __version__
from videovisual_client.client import DEFAULT_URL, Client
from videovisual_client.describe import describe
from videovisual_client.result import Classification, Explained

out = Console(highlight=False)
log = Console(stderr=True, highlight=False)

STORE = Path("model_store")

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


def _with(options: list[Callable[[Function], Function]]) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class Commands(click.Group):
    """Prints our own errors as one line and exits with 1 (2 for a wrong use of the command)."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command named on the line."""
        try:
            return super().invoke(context)
        except VideoVisualError as error:
            log.print(f"[bold red]{error.code}[/]: ", end="")
            log.print(error.message, markup=False)
            context.exit(1)


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="videovisual")
def main() -> None:
    """Serve video classifiers together with their explanations."""


@main.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--store", type=click.Path(path_type=Path), default=STORE, show_default=True)
@click.option("--port", type=click.IntRange(1, 65533), help="Inference port; the next two follow.")
@click.option(
    "--run-folder",
    type=click.Path(path_type=Path),
    help="Keep tokens and logs here instead of in a temporary folder.",
)
def serve(models: tuple[str, ...], store: Path, port: int | None, run_folder: Path | None) -> None:
    """Serve MODELS until Ctrl-C; archives that are missing are built first.

    \b
    Example: videovisual serve i3d-kinetics400 --port 8080
    """
    from videovisual_client.torchserve import Server  # noqa: PLC0415

    for model in models:
        if not (store / f"{model}.mar").is_file():
            _archive(model, store)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with log.status("starting TorchServe") as status:
        server = Server(
            models,
            store=store,
            port=port,
            run_folder=run_folder,
            on_wait=status.update,
        )
        server.start()
    try:
        out.print(f"Serving {', '.join(models)} at {server.url}")
        out.print(f"Key file: {server.key_file}", soft_wrap=True)
        out.print(
            f"Try: videovisual classify CLIP --model {models[0]} --url {server.url} "
            f"--key-file {server.key_file}",
            soft_wrap=True,
        )
        server.wait()
    except KeyboardInterrupt:
        log.print("stopping")
    finally:
        server.stop()


@main.command()
@click.option("--store", type=click.Path(path_type=Path), default=STORE, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(store: Path, as_json: bool) -> None:
    """List the models, and which of them have an archive in the store."""
    cards = _zoo().cards().values()
    archived = {card.name: (store / f"{card.name}.mar").is_file() for card in cards}
    if as_json:
        out.print_json(
            json.dumps([card.to_json() | {"archived": archived[card.name]} for card in cards])
        )
        return
    table = Table("model", "what it is", "classes", "frames", "accuracy", "archived")
    for card in cards:
        table.add_row(
            card.name,
            card.title,
            str(len(card.labels)),
            f"{card.input.frames} x {card.input.crop}²",
            card.accuracy,
            "yes" if archived[card.name] else "no",
        )
    out.print(table)


@main.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--store", type=click.Path(path_type=Path), default=STORE, show_default=True)
@click.option("--weights", help="A checkpoint: a file or an address.")
@click.option("--labels", help="Class names: a text file, one a line, or a csv; file or address.")
@click.option("--sha256", help="The checkpoint's SHA-256, or its first digits.")
@click.option("--force", is_flag=True, help="Build even what is up to date.")
def archive(
    names: tuple[str, ...],
    store: Path,
    weights: str | None,
    labels: str | None,
    sha256: str | None,
    force: bool,
) -> None:
    """Build the archives of the models NAMES from their published weights."""
    for name in names:
        _archive(name, store, weights=weights, labels=labels, sha256=sha256, force=force)


@main.command()
@_with([*clip_options, *server_options])
def classify(
    clip: Path,
    model: str,
    as_json: bool,
    url: str,
    token: str | None,
    key_file: Path | None,
    **options: Any,
) -> None:
    """Say what CLIP, a video or a folder of frames, shows.

    \b
    Example: videovisual classify clip.mp4 --model i3d-kinetics400
    """
    with Client(url, token=token, key_file=key_file) as client:
        _show(client.classify(clip, model=model, **options), as_json)


@main.command()
@_with([*clip_options, *server_options])
@click.option("--method", help="An attribution method; the server's default otherwise.")
@click.option("--target", multiple=True, help="Class name, index or top1; may be repeated.")
@click.option("--seed", type=int, help="Seed of all randomness.")
@click.option("-p", "--param", multiple=True, metavar="NAME=VALUE", help="A method's parameter.")
@click.option("--steps", type=int, help="Short for -p steps=…")
@click.option("--area", type=float, help="Short for -p area=…")
@click.option("--baseline", help="Short for -p baseline=…")
@click.option("--layer", help="Short for -p layer=…")
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
    target: tuple[str, ...],
    param: tuple[str, ...],
    output: tuple[Path, ...],
    **options: Any,
) -> None:
    """Say what CLIP shows, and which part of it made the model say so.

    \b
    Example: videovisual explain clip.mp4 --model i3d-kinetics400 \\
               --method integrated_gradients --steps 20 -o overlay.mp4 -o map.npz
    """
    parameters = dict(_pair(text) for text in param)
    chosen = target[0] if len(target) == 1 else target or "top1"
    with Client(url, token=token, key_file=key_file) as client, _bar("explaining") as advance:
        result = client.explain(
            clip,
            model=model,
            target=chosen,
            on_progress=lambda step: advance(step.step, step.of),
            **options,
            **parameters,
        )
    _show(result, as_json)
    for path in output:
        log.print(f"wrote {result.save(path)}")


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
    if isinstance(result, Explained):
        for explanation in result.explanations:
            for line in describe(explanation):
                out.print(line)


@contextmanager
def _bar(title: str) -> Iterator[Any]:
    columns = (SpinnerColumn(), TextColumn(title), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=log, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _archive(name: str, store: Path, **options: Any) -> None:
    try:
        from videovisual_archive import archive as build  # noqa: PLC0415
    except ImportError as error:
        raise _no_server_extra() from error
    columns = (SpinnerColumn(), TextColumn(f"archiving {name}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeElapsedColumn(), console=log, transient=True) as progress:
        task = progress.add_task(name, total=None)
        path = build(
            name,
            store=store,
            progress=lambda here, of: progress.update(task, completed=here, total=of),
            **options,
        )
    log.print(f"archived {path}")


def _zoo() -> Any:
    try:
        from videovisual import zoo  # noqa: PLC0415
    except ImportError as error:
        raise _no_server_extra() from error
    return zoo


def _no_server_extra() -> MissingExtra:
    return MissingExtra(
        "This needs the server's packages: pip install 'videovisual[server]'.", extra="server"
    )
