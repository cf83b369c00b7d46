"""The command `videovisual models`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Column, Table

from videovisual.names import MODELS
from videovisual_client.terminal import json_option, out, print_json, store_option


@click.command()
@store_option
@json_option
def models(store: Path, as_json: bool) -> None:
    """List the models, and which of them have an archive in the store.

    Without the extra `server`, only their names are known.

    \b
    Examples: videovisual models
              videovisual models --json | jq '.[] | select(.archived) | .name'
    """
    try:
        from videovisual import zoo  # noqa: PLC0415
    except ImportError:
        _names(store, as_json)
        return
    cards = zoo.cards().values()
    archived = {card.name: (store / f"{card.name}.mar").is_file() for card in cards}
    if as_json:
        print_json([card.to_json() | {"archived": archived[card.name]} for card in cards])
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


def _names(store: Path, as_json: bool) -> None:
    archived = {name: (store / f"{name}.mar").is_file() for name in MODELS}
    if as_json:
        print_json([{"name": name, "archived": there} for name, there in archived.items()])
        return
    table = Table("model", "archived", box=None)
    for name, there in archived.items():
        table.add_row(name, "yes" if there else "no")
    out.print(table)
