"""The command `videovisual`."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import click
from rich.table import Column, Table

from videovisual.errors import VideoVisualError
from videovisual.version import __version__
from videovisual_client import archiving, asking, training
from videovisual_client.terminal import log, no_server_extra, out, store_option


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
@store_option
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
            archiving.build(model, store)
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
@store_option
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
    table = Table(Column("model", no_wrap=True), "what it is", "frames", "accuracy", "archived")
    for card in cards:
        table.add_row(
            card.name,
            card.title,
            f"{card.input.frames} x {card.input.crop}²",
            card.accuracy,
            "yes" if archived[card.name] else "no",
        )
    out.print(table)


for command in (
    archiving.archive,
    asking.classify,
    asking.explain,
    asking.evaluate,
    training.train_motion,
):
    main.add_command(command)


def _zoo() -> Any:
    try:
        from videovisual import zoo  # noqa: PLC0415
    except ImportError as error:
        raise no_server_extra() from error
    return zoo
