"""The command `videovisual compare`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from videovisual.attribution import catalogue
from videovisual.protocol import Explanation
from videovisual.protocol.caveats import caveats
from videovisual.utils.extras import needs
from videovisual_client import collection, exits
from videovisual_client.commands import folder
from videovisual_client.commands.explaining import ask_all, ask_one, known
from videovisual_client.commands.options import (
    Place,
    clip_options,
    complete_methods,
    folder_options,
    given_options,
    placed,
    with_method,
)
from videovisual_client.describe import instant
from videovisual_client.result import PICTURES, format_of
from videovisual_client.terminal import log, out, print_json

RESULTS = "compare"
DEFAULT = "gradient,integrated_gradients,grad_cam"
ALL = "all"
STRONGEST = 0.1
"""The share of all points whose overlap is told; by chance two maps share as much of it."""


@click.command(epilog=exits.TABLE)
@given_options(*clip_options)
@click.option(
    "--methods",
    default=DEFAULT,
    show_default=True,
    shell_complete=complete_methods,
    help=f"With commas between them, or `{ALL}` for all that need no extra which isn't there.",
)
@with_method
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    multiple=True,
    help=f"File to write, .{', .'.join(PICTURES)}; may be repeated.  [compare.png]  Of a folder "
    "of clips, the folder of the results.  [results]",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(PICTURES),
    multiple=True,
    help="Of a folder of clips, pictures to make of each; may be repeated.  [png]",
)
@given_options(*folder_options)
@placed
def compare(
    clip: Path,
    model: str,
    methods: str,
    as_json: bool,
    output: tuple[Path, ...],
    formats: tuple[str, ...],
    concurrency: int,
    fresh: bool,
    place: Place,
    **options: Any,
) -> None:
    """Explain CLIP by several methods and put them side by side in one picture.

    Says too how much each two of them agree: of the tenth of all points that each finds strongest,
    the share that both have. By chance that is 10%. CLIP may be a folder of clips, as `classify`
    takes them; the pictures go to OUTPUT/compare/MODEL.

    \b
    Examples: videovisual compare clip.mp4 --model i3d-kinetics400 \\
                --methods grad_cam,integrated_gradients,step --area 0.1 -o compare.png
              videovisual compare clip.mp4 --model i3d-motion --methods all --local -o compare.mp4
    """
    with needs("pictures", "Without them, use `explain` with several --method."):
        importlib.import_module("numpy")
    every = methods.strip().lower() == ALL
    names = known(
        [entry.name for entry in catalogue.ENTRIES]
        if every
        else [name for name in methods.split(",") if name.strip()]
    )
    clips = collection.clips_in(clip)
    pictures = output or (Path("compare.png"),)
    if clips is None:
        for path in pictures:
            format_of(path, clip)
    with place.open() as asker:
        if clips is not None:
            summary = ask_all(
                asker,
                clips,
                model,
                names,
                results=(output[0] if output else Path("results")) / RESULTS / model,
                formats=formats or ("png",),
                concurrency=concurrency,
                fresh=fresh,
                spare=every,
                **options,
            )
            folder.show([summary], as_json)
            return
        result = ask_one(asker, clip, model, names, spare=every, **options)
    written = [result.save(path) for path in pictures]
    shared = overlap(result.explanations)
    if as_json:
        print_json({**result.answer.model_dump(mode="json"), "overlap": shared})
    else:
        _show(result.explanations, shared)
    for path in written:
        log.print(f"wrote {path}", soft_wrap=True, markup=False)


def overlap(explanations: Sequence[Explanation]) -> list[list[float]]:
    """Of the points that each two maps find strongest, the share that both have, in [0, 1].

    Raises:
        MissingExtra: numpy is not installed.
    """
    with needs("pictures"):
        import numpy as np  # noqa: PLC0415
    strongest = []
    for explanation in explanations:
        values = explanation.map.to_numpy().ravel()
        count = max(1, round(STRONGEST * values.size))
        chosen = np.zeros(values.size, bool)
        chosen[np.argpartition(values, -count)[-count:]] = True
        strongest.append(chosen)
    return [
        [round(float((one & other).sum() / one.sum()), 4) for other in strongest]
        for one in strongest
    ]


def _show(explanations: Sequence[Explanation], shared: list[list[float]]) -> None:
    names = [explanation.method for explanation in explanations]
    table = Table("method", "target", "looked most at", *names, box=None)
    for explanation, row in zip(explanations, shared, strict=True):
        best = max(range(len(explanation.curve)), key=explanation.curve.__getitem__)
        table.add_row(
            explanation.method,
            explanation.target.label,
            f"{instant(explanation, best)}, {100 * explanation.curve[best]:.0f}%",
            *(f"{100 * value:.0f}%" for value in row),
        )
    out.print(table)
    for explanation in explanations:
        for doubt in caveats(explanation):
            out.print(f"caution! {explanation.method}: {doubt}", markup=False, soft_wrap=True)
    out.print("The last columns: of the strongest tenth of all points, the share that both have.")
