"""The command `videovisual archive`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from videovisual.errors import VideoVisualError
from videovisual.names import is_elsewhere
from videovisual.utils.extras import needs
from videovisual_client import exits
from videovisual_client.terminal import json_option, log, out, print_json, store_option, table

MB = 1_000_000
EXPORTED = (".pt2", ".onnx")
CARD = click.Path(path_type=Path, exists=True, dir_okay=False)
MISNAMED = (
    "this archive has own weights under a published model's name. Build it with `--as NAME`, and "
    "remove this one."
)


@click.command()
@click.argument("names", nargs=-1)
@store_option
@click.option("--all", "every", is_flag=True, help="Every model there is.")
@click.option("--list", "listing", is_flag=True, help="List the archives; build nothing.")
@click.option("--weights", help="A checkpoint: a file or an address.")
@click.option("--labels", help="Class names: a text file, one a line, or a csv; file or address.")
@click.option("--sha256", help="The checkpoint's SHA-256, or its first digits.")
@click.option("--card", type=CARD, help="The card of a .pt2 or .onnx, as JSON.")
@click.option(
    "--as",
    "served_as",
    help="The archive's own name, for weights of your own and models elsewhere.",
)
@click.option("--force", is_flag=True, help="Also build archives that are up to date.")
@json_option
def archive(
    names: tuple[str, ...],
    store: Path,
    every: bool,
    listing: bool,
    card: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Build the archives of the models NAMES from their published weights, or from your own.

    A network of your own comes as a .pt2, which torch.export.save writes, or as an .onnx, with its
    card.

    Weights of your own, and models of the Hub, of a folder and of torchvision need a name of their
    own (--as). A model that fails doesn't stop the others; the command lists the failures at the
    end.

    \b
    Examples: videovisual archive i3d-kinetics400
              videovisual archive tsm-kinetics400 --weights TSM_kinetics….pth
              videovisual archive r3d-kinetics400 --weights mine.pth --labels mine.txt --as mine
              videovisual archive hf:MCG-NJU/videomae-base-finetuned-kinetics --as videomae
              videovisual archive torchvision:swin3d_t --as swin
              videovisual archive mine.pt2 --card card.json --as mine
              videovisual archive mine.onnx --card card.json --as mine
              videovisual archive --list
    """
    if listing:
        _list(names, store, as_json)
        return
    if every == bool(names):
        raise click.UsageError("Give the NAMES of models, or --all.")
    if card is not None or any(name.lower().endswith(EXPORTED) for name in names):
        _exported(names, card, store, as_json, **options)
        return
    if any(options[name] for name in ("weights", "labels", "sha256")) and len(names) != 1:
        raise click.UsageError("--weights, --labels and --sha256 are for one model: name only one.")
    named = options["served_as"] is not None
    elsewhere = [name for name in names if is_elsewhere(name)]
    if named and not (options["weights"] or elsewhere):
        raise click.UsageError("--as is for weights of your own: give them with --weights.")
    if elsewhere and not (named and len(names) == 1):
        raise click.UsageError(f"{elsewhere[0]} needs a name in the store: one model, and --as.")
    models = _known(names, every, store)
    archived: dict[str, str] = {}
    failed: dict[str, str] = {}
    for name in models:
        try:
            archived[name] = str(build(name, store, **options))
        except (VideoVisualError, OSError) as error:
            if len(models) == 1:
                raise
            code = f"{error.code}: " if isinstance(error, VideoVisualError) else ""
            failed[name] = f"{code}{error}"
    if as_json:
        print_json({"archived": archived, "failed": failed})
    if failed:
        log.print(f"[bold red]{len(failed)} of {len(models)} could not be archived[/]")
        for name, reason in failed.items():
            log.print(f"  {name}: {reason}", markup=False, soft_wrap=True)
        click.get_current_context().exit(exits.FAILED)


def _exported(
    names: Sequence[str], card: Path | None, store: Path, as_json: bool, **options: Any
) -> None:
    name = options["served_as"]
    others = [each for each in ("weights", "labels", "sha256") if options[each]]
    if len(names) != 1 or card is None or not name or others:
        raise click.UsageError(
            "A network of your own is archived by `MODEL.pt2 --card card.json --as NAME` alone, "
            "or `MODEL.onnx` in its place."
        )
    with needs("server"):
        from videovisual_archive import archive_onnx, archive_pt2  # noqa: PLC0415
    build_it = archive_onnx if names[0].lower().endswith(".onnx") else archive_pt2
    path = build_it(Path(names[0]), card, name, store=store, force=options["force"])
    if as_json:
        print_json({"archived": {name: str(path)}, "failed": {}})
    log.print(f"archived {path}", soft_wrap=True)


def build(name: str, store: Path, **options: Any) -> Path:
    """Build one archive, with a progress bar of the download; returns its path.

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
            progress=lambda done, of: progress.update(task, completed=done, total=of),
            **options,
        )
    log.print(f"archived {path}", soft_wrap=True)
    return path


def _known(names: Sequence[str], every: bool, store: Path) -> list[str]:
    """The models to build. Unknown names are refused before anything is downloaded."""
    with needs("server"):
        from videovisual import zoo  # noqa: PLC0415
    unique = dict.fromkeys(names)
    if every:
        return list(zoo.cards())
    return [name if is_elsewhere(name) else zoo.card(name, store).name for name in unique]


def _list(names: Sequence[str], store: Path, as_json: bool) -> None:
    with needs("server"):
        from videovisual_archive.store import State, contents  # noqa: PLC0415
    archives = [stored for stored in contents(store) if not names or stored.name in names]
    if as_json:
        print_json(
            [
                {
                    "name": stored.name,
                    "path": stored.path,
                    "state": stored.state.value,
                    "size": stored.size,
                    "built": stored.built,
                    "own_weights": stored.own,
                }
                for stored in archives
            ]
        )
        return
    rows = table("model", "state", "MB", "built (UTC)", "weights")
    for stored in archives:
        built = f"{stored.built:%Y-%m-%d %H:%M}"
        weights = "own" if stored.own else "published"
        rows.add_row(stored.name, stored.state.value, f"{stored.size / MB:.1f}", built, weights)
    out.print(rows if archives else f"No archives in {store}.")
    old = [stored.name for stored in archives if stored.state in (State.STALE, State.DAMAGED)]
    if old:
        log.print(f"Build again: videovisual archive {' '.join(old)}", soft_wrap=True)
    for stored in archives:
        if stored.state is State.MISNAMED:
            log.print(f"{stored.name}: {MISNAMED}", soft_wrap=True, markup=False)
