"""The command `videovisual models`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Column, Table

from videovisual.names import MODELS, own_models
from videovisual_client.terminal import json_option, out, print_json, store_option


@click.command()
@store_option
@json_option
def models(store: Path, as_json: bool) -> None:
    """List the models, your own among them, and which have an archive in the store.

    The licence is that of the weights. Models of the Hub and of torchvision (`hf:OWNER/NAME`,
    `torchvision:NAME`) are listed once they have an archive.

    Without the extra `server`, only their names are known.

    \b
    Examples: videovisual models
              videovisual models --json | jq '.[] | select(.archived) | .name'
    """
    archived = {name: (store / f"{name}.mar").is_file() for name in (*MODELS, *own_models(store))}
    cards, own = _read(store)
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    **(cards[name].to_json() if name in cards else {}),
                    "archived": built,
                    "own_weights": name in own,
                }
                for name, built in archived.items()
            ]
        )
        return
    titles = ("what it is", "frames", "accuracy", "licence") if cards else ()
    table = Table(Column("model", no_wrap=True), *titles, "archived", box=None)
    for name, built in archived.items():
        card = cards.get(name)
        row = _row(card) if card else []
        state = "with own weights" if name in own else "yes" if built else "no"
        table.add_row(name, *(row or [""] * len(titles)), state)
    out.print(table)


def _row(card: Any) -> list[str]:
    frames = f"{card.input.frames} x {card.input.area}"
    return [card.title, frames, card.accuracy, card.weights.licence]


def _read(store: Path) -> tuple[Mapping[str, Any], set[str]]:
    """The cards, and the archives with own weights; only names without the extra `server`."""
    try:
        from videovisual import zoo  # noqa: PLC0415
        from videovisual_archive.store import contents  # noqa: PLC0415
    except ImportError:
        return {}, set(own_models(store))
    stored = contents(store)
    cards = {**zoo.cards(), **{each.name: each.card for each in stored if each.card and each.own}}
    return cards, {each.name for each in stored if each.own}
