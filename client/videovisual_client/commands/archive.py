"""The command `videovisual archive`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from videovisual.errors import VideoVisualError
from videovisual.utils.extras import needs
from videovisual_client.terminal import json_option, log, out, print_json, store_option

MB = 1_000_000


@click.command()
@click.argument("names", nargs=-1)
@store_option
@click.option("--all", "every", is_flag=True, help="Every model there is.")
@click.option("--list", "listing", is_flag=True, help="Show what the store holds; build nothing.")
@click.option("--weights", help="A checkpoint: a file or an address.")
@click.option("--labels", help="Class names: a text file, one a line, or a csv; file or address.")
@click.option("--sha256", help="The checkpoint's SHA-256, or its first digits.")
@click.option("--as", "served_as", help="A name of its own for weights of your own.")
@click.option("--force", is_flag=True, help="Build even what is up to date.")
@json_option
def archive(
    names: tuple[str, ...],
    store: Path,
    every: bool,
    listing: bool,
    weights: str | None,
    labels: str | None,
    sha256: str | None,
    served_as: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Build the archives of the models NAMES from their published weights.

    One that cannot be built keeps none of the others from it; the end says which and why.

    \b
    Examples: videovisual archive i3d-kinetics400
              videovisual archive tsm-kinetics400 --weights TSM_kinetics….pth
              videovisual archive r3d-kinetics400 --weights mine.pth --labels mine.txt --as mine
              videovisual archive --list
    """
    if listing:
        _list(names, store, as_json)
        return
    if every == bool(names):
        raise click.UsageError("Give the NAMES of models, or --all.")
    if (weights or labels or sha256) and len(names) != 1:
        raise click.UsageError("--weights, --labels and --sha256 are for one model: name it alone.")
    if served_as and not weights:
        raise click.UsageError("--as is for weights of your own: give them with --weights.")
    chosen = _known(names, every)
    given = {
        "weights": weights,
        "labels": labels,
        "sha256": sha256,
        "served_as": served_as,
        "force": force,
    }
    if len(chosen) == 1:
        built = build(chosen[0], store, **given)
        if as_json:
            print_json({"archived": {chosen[0]: str(built)}, "failed": {}})
        return
    archived: dict[str, str] = {}
    failed: dict[str, str] = {}
    for name in chosen:
        try:
            archived[name] = str(build(name, store, **given))
        except VideoVisualError as error:
            failed[name] = f"{error.code}: {error.message}"
        except OSError as error:
            failed[name] = str(error)
    if as_json:
        print_json({"archived": archived, "failed": failed})
    if failed:
        log.print(f"[bold red]{len(failed)} of {len(chosen)} could not be archived[/]")
        for name, reason in failed.items():
            log.print(f"  {name}: {reason}", markup=False, soft_wrap=True)
        click.get_current_context().exit(1)


def build(name: str, store: Path, **options: Any) -> Path:
    """Build one archive, with a progress bar while its weights are fetched; where it lies.

    Raises:
        VideoVisualError: as `videovisual_archive.archive`.
    """
    with needs("server"):
        from videovisual_archive import archive as build_archive  # noqa: PLC0415
    columns = (TextColumn(f"archiving {name}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeElapsedColumn(), console=log, transient=True) as progress:
        task = progress.add_task(name, total=None)
        path: Path = build_archive(
            name,
            store=store,
            progress=lambda here, of: progress.update(task, completed=here, total=of),
            **options,
        )
    log.print(f"archived {path}", soft_wrap=True)
    return path


def _known(names: Sequence[str], every: bool) -> list[str]:
    """The models to build; an unknown name is refused before anything is fetched."""
    with needs("server"):
        from videovisual import zoo  # noqa: PLC0415
    return list(zoo.cards()) if every else [zoo.card(name).name for name in dict.fromkeys(names)]


def _list(names: Sequence[str], store: Path, as_json: bool) -> None:
    with needs("server"):
        from videovisual_archive.store import State, contents  # noqa: PLC0415
    found = [stored for stored in contents(store) if not names or stored.name in names]
    if as_json:
        print_json([{**asdict(stored), "state": stored.state.value} for stored in found])
        return
    table = Table("model", "state", "MB", "built (UTC)", box=None)
    for stored in found:
        when = f"{stored.built:%Y-%m-%d %H:%M}"
        table.add_row(stored.name, stored.state.value, f"{stored.size / MB:.1f}", when)
    out.print(table if found else f"No archives in {store}.")
    old = [stored.name for stored in found if stored.state in (State.STALE, State.DAMAGED)]
    if old:
        log.print(f"Build anew: videovisual archive {' '.join(old)}", soft_wrap=True)
