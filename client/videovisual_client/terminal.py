"""What all commands share: where they print, and the model store."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from videovisual.errors import MissingExtra

out = Console(highlight=False)
log = Console(stderr=True, highlight=False)

store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("model_store"),
    show_default=True,
    help="Folder of the archives.",
)


def no_server_extra() -> MissingExtra:
    """The error of a command that the light client cannot run."""
    return MissingExtra(
        "This needs the server's packages: pip install 'videovisual[server]'.", extra="server"
    )
