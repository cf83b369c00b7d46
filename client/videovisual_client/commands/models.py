"""The command `videovisual models`."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    cards: Mapping[str, Any] = {}
    with contextlib.suppress(ImportError):
        from videovisual import zoo  # noqa: PLC0415

        cards = zoo.cards()
    archived = {name: (store / f"{name}.mar").is_file() for name in cards or MODELS}
    if as_json:
        about = {name: card.to_json() for name, card in cards.items()}
        print_json(
            [{"name": name, **about.get(name, {}), "archived": archived[name]} for name in archived]
        )
        return
    titles = ("what it is", "frames", "accuracy") if cards else ()
    table = Table(Column("model", no_wrap=True), *titles, "archived", box=None)
    for name, built in archived.items():
        card = cards.get(name)
        row = (
            [card.title, f"{card.input.frames} x {card.input.crop}²", card.accuracy] if card else []
        )
        table.add_row(name, *row, "yes" if built else "no")
    out.print(table)
