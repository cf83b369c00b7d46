"""The command `videovisual evaluate`."""

from pathlib import Path
from typing import Any

import click

from videovisual.protocol import HEADLINE
from videovisual_client import collection
from videovisual_client.commands import folder
from videovisual_client.commands.explaining import Explainer, explain_folder, known
from videovisual_client.commands.options import (
    CommandClip,
    Option,
    Place,
    RunOptions,
    clip_command,
    map_option,
    method_option,
    results_option,
    with_method,
    with_run,
)
from videovisual_client.terminal import log, number, out, print_answer, table

RESULTS = "evaluation"


stability_option: Option[Any] = click.option(
    "--stability",
    is_flag=True,
    help="Also run each method four times more, on inputs that look the same, and compare.",
)


@clip_command(method_option, with_method, with_run, results_option, map_option, stability_option)
def evaluate(
    clip: CommandClip,
    model: str,
    method: tuple[str, ...],
    as_json: bool,
    output: Path,
    maps: bool,
    run: RunOptions,
    place: Place,
    **options: Any,
) -> None:
    """Explain CLIP, and measure how faithful each explanation is.

    CLIP is a video, a folder of frames, or a folder of clips, as in `classify`. The results of a
    folder go to OUTPUT/evaluation/METHOD/MODEL, with the mean of each measure.

    \b
    Examples: videovisual evaluate clip.mp4 --model i3d-kinetics400 \\
                --method grad_cam --method integrated_gradients
              videovisual evaluate clips/ --model i3d-kinetics400 --method rise --local
    """
    methods = known(method)
    options["evaluate"] = True
    clips = collection.clips_in(clip, run.labels_from)
    if clips is not None:
        results = output / RESULTS
        folder.show(explain_folder(place, clips, model, methods, options, results, run), as_json)
        return
    with place.open() as client:
        result = Explainer(client, model, methods, options).one(clip)
    if as_json:
        print_answer(result.answer, maps)
        return
    every = [explanation.faithfulness or {} for explanation in result.explanations]
    columns = [name for name in HEADLINE if any(scores.get(name) is not None for scores in every)]
    rows = table("method", "target", *columns)
    for explanation, scores in zip(result.explanations, every, strict=True):
        row = [number(scores.get(name)) for name in columns]
        rows.add_row(explanation.method, explanation.target.label, *row)
    out.print(rows)
    out.print("deletion, relative_delta: lower is better; all others: higher.")
    for explanation in result.explanations:
        for name, reason in (explanation.diagnostics.get("undefined") or {}).items():
            log.print(
                f"{explanation.method}: {name} has no value, because {reason}.",
                soft_wrap=True,
                markup=False,
            )
