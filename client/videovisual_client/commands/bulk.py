"""The command `videovisual bulk`."""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videovisual.names import MODELS, SOURCES, is_elsewhere, own_models
from videovisual.utils.extras import needs
from videovisual_client import exits
from videovisual_client.commands.explaining import known
from videovisual_client.commands.options import all_options, answer_options, given, with_method
from videovisual_client.content_key import request_options
from videovisual_client.result import PICTURES
from videovisual_client.terminal import bar, log, out, print_json, store_option

if TYPE_CHECKING:
    from videovisual_client.bulk.run import Totals

INSTEAD = "Without them, `videovisual explain` and `classify` take a folder of clips."


@click.command(epilog=exits.TABLE)
@click.argument("clips")
@all_options(
    *answer_options,
    click.option(
        "--method",
        multiple=True,
        metavar="NAME",
        help="As of `explain`; may be repeated.  [none: clips are only classified]",
    ),
)
@with_method
@all_options(
    click.option("--evaluate", is_flag=True, help="Measure how faithful each explanation is."),
    click.option("--stability", is_flag=True, help="Measure how alike maps of like inputs are."),
    click.option("--out", "folder", required=True, help="Folder or address of the results."),
    click.option(
        "--format",
        "formats",
        type=click.Choice(PICTURES),
        multiple=True,
        help="Pictures to make of each explanation; may be repeated.",
    ),
    click.option("--address", help="Of the Ray cluster to join.  [this machine alone]"),
    click.option(
        "--cores",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Of a process, where the cluster has no GPU.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 64),
        default=2,
        show_default=True,
        help="How many clips a process has under way.",
    ),
    click.option("--fresh", is_flag=True, help="Compute finished answers again."),
    click.option("--device", help="cpu, cuda, …  [a GPU if there is one]"),
    store_option,
)
def bulk(
    clips: str,
    model: str,
    method: tuple[str, ...],
    as_json: bool,
    folder: str,
    formats: tuple[str, ...],
    address: str | None,
    cores: int,
    concurrency: int,
    fresh: bool,
    device: str | None,
    store: Path,
    **options: Any,
) -> None:
    """Classify and explain a whole data set on Ray: one process a GPU, or a core.

    CLIPS is a folder of clips, a glob, or a manifest (.csv or .parquet with a column `clip` and
    perhaps `label`). CLIPS and --out are paths, or addresses that fsspec knows: s3://…, gs://….
    Writes a Parquet table of the answers in parts (answers/), one of the clips that failed
    (failed/), and a map and a record a clip (clips/). A command that was stopped, or whose machines
    were, continues when it is run again.

    \b
    Examples: videovisual bulk clips/ --model i3d-kinetics400 --method grad_cam --out results
              videovisual bulk 's3://clips/*/*.mp4' --model i3d-kinetics400 \\
                --method step --area 0.1 --out s3://results/run --address ray-head:6379
    """
    if formats and not method:
        raise click.UsageError("--format is for explanations: add --method.")
    with needs("bulk", INSTEAD):
        from videovisual_client.bulk.listing import list_clips  # noqa: PLC0415
        from videovisual_client.bulk.run import run  # noqa: PLC0415
        from videovisual_client.bulk.worker import BulkRequest  # noqa: PLC0415
    methods = tuple(known(method)) if method else ()
    request_options(methods, given(options))
    _check_model(model, store)
    request = BulkRequest(
        model=_everywhere(model) if is_elsewhere(model) else model,
        methods=methods,
        options=options,
        formats=formats,
        out=_everywhere(folder),
        run=secrets.token_hex(8),
        store=store.absolute(),
        device=device,
        fresh=fresh,
        concurrency=concurrency,
    )
    listing = list_clips(clips)
    for remark in listing.remarks:
        log.print(remark, soft_wrap=True, markup=False)
    with bar("answering") as advance:

        def show(totals: Totals) -> None:
            advance(totals.done, totals.clips, f" {totals.done / totals.seconds:.1f} clips/s")

        totals = run(request, listing.clips, address=address, cores=cores, on_progress=show)
    if as_json:
        print_json({"out": request.out, **asdict(totals)})
    else:
        out.print(
            f"clips: {totals.clips}, answered: {totals.computed}, already finished: "
            f"{totals.restored}, failed: {totals.failed}, processes: {totals.processes}; "
            f"{totals.seconds:.0f} s",
            soft_wrap=True,
        )
    log.print(f"tables in {request.out}", soft_wrap=True, markup=False)
    if totals.failed:
        click.get_current_context().exit(exits.SOME_FAILED)


def _check_model(model: str, store: Path) -> None:
    """Raises UnknownModel before Ray is started; torch is imported for its message alone."""
    if is_elsewhere(model) or model in (*MODELS, *own_models(store)):
        return
    from videovisual import zoo  # noqa: PLC0415

    zoo.card(model, store)


def _everywhere(address: str) -> str:
    """The address as a process in another folder needs it."""
    return address if "://" in address or address.startswith(SOURCES) else os.path.abspath(address)
