"""The command `videovisual models`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Column, Table

from videovisual_client.terminal import json_option, no_server_extra, out, print_json, store_option


@click.command()
@store_option
@json_option
def models(store: Path, as_json: bool) -> None:
    """List the models, and which of them have an archive in the store.

    \b
    Examples: videovisual models
              videovisual models --json | jq '.[] | select(.archived) | .name'
    """
    try:
        from videovisual import zoo  # noqa: PLC0415
    except ImportError as error:
        raise no_server_extra() from error
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
