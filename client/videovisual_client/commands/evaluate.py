"""The command `videovisual evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from videovisual_client import collection, exits
from videovisual_client.commands import folder
from videovisual_client.commands.explaining import ask_all, ask_one, known, of_methods
from videovisual_client.commands.options import (
    Place,
    clip_options,
    folder_options,
    given_options,
    method_option,
    placed,
    with_method,
)
from videovisual_client.terminal import out, print_json

MEASURES = ("insertion", "deletion", "sensitivity_n", "relative_delta")
RESULTS = "evaluation"


@click.command(epilog=exits.TABLE)
@given_options(*clip_options, method_option)
@with_method
@given_options(*folder_options)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Of a folder of clips, where the results go.",
)
@placed
def evaluate(
    clip: Path,
    model: str,
    method: tuple[str, ...],
    as_json: bool,
    output: Path,
    concurrency: int,
    fresh: bool,
    place: Place,
    **options: Any,
) -> None:
    """Explain CLIP, and measure how faithful each explanation is.

    CLIP is a video, a folder of frames, or a folder of clips, as `classify` takes them; results of
    a folder go to OUTPUT/evaluation/METHOD/MODEL, with the mean of each measure.

    \b
    Examples: videovisual evaluate clip.mp4 --model i3d-kinetics400 \\
                --method grad_cam --method integrated_gradients
              videovisual evaluate clips/ --model i3d-motion --method rise --local
    """
    methods = known(method)
    options["evaluate"] = True
    clips = collection.clips_in(clip)
    if clips is not None:
        with place.open() as asker:
            summaries = [
                ask_all(
                    asker,
                    clips,
                    model,
                    [name],
                    results=output / RESULTS / name / model,
                    formats=(),
                    concurrency=concurrency,
                    fresh=fresh,
                    **of_methods([name], methods, options),
                )
                for name in methods
            ]
        folder.show(summaries, as_json)
        return
    with place.open() as asker:
        result = ask_one(asker, clip, model, methods, **options)
    if as_json:
        print_json(result.answer.model_dump(mode="json"))
        return
    table = Table("method", "target", *MEASURES, box=None)
    for explanation in result.explanations:
        scores = explanation.faithfulness or {}
        shown = [_number(scores.get(name)) for name in MEASURES]
        table.add_row(explanation.method, explanation.target.label, *shown)
    out.print(table)
    out.print("insertion and sensitivity_n: higher is better; deletion, relative_delta: lower.")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
