"""The command `videovisual methods`."""

from collections.abc import Iterator

import click
from rich.table import Column, Table

from videovisual.attribution import catalogue
from videovisual.attribution.catalogue import Entry
from videovisual_client.terminal import json_option, out, print_json


@click.command()
@json_option
def methods(as_json: bool) -> None:
    """List the attribution methods: what each computes, needs and costs, and its parameters.

    A pass classifies the clip once; a gradient is a pass and the way back. `videovisual compare`
    shows several methods side by side.

    \b
    Examples: videovisual methods
              videovisual methods --json | jq '.[] | select(.needs == "scores") | .name'
              videovisual explain clip.mp4 --model i3d-kinetics400 --method rise -p masks=200
    """
    if as_json:
        print_json([_about(entry) for entry in catalogue.ENTRIES])
        return
    table = Table(Column("method", no_wrap=True), "what it computes, needs and costs", box=None)
    for entry in catalogue.ENTRIES:
        default = " (default)" if entry.name == catalogue.DEFAULT else ""
        table.add_row(f"{entry.name}{default}", "\n".join(_lines(entry)))
    out.print(table)
    out.print("Give a parameter with -p NAME=VALUE; without a value here, the model decides.")


def _lines(entry: Entry) -> Iterator[str]:
    yield entry.title
    needs = f"{entry.needs}, the extra {entry.extra}" if entry.extra else entry.needs
    yield f"needs {needs}; costs {entry.default_cost}"
    given = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in entry.defaults.items()
    }
    if given:
        yield " ".join(f"{name}={'' if value is None else value}" for name, value in given.items())


def _about(entry: Entry) -> dict[str, object]:
    return {
        "name": entry.name,
        "aliases": entry.aliases,
        "title": entry.title,
        "paper": entry.paper,
        "needs": entry.needs,
        "extra": entry.extra,
        "cost": entry.default_cost,
        "signed": entry.signed,
        "default": entry.name == catalogue.DEFAULT,
        "parameters": entry.parameters.model_json_schema().get("properties", {}),
    }
