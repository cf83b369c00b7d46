"""The command `videovisual evaluate`."""

from pathlib import Path
from typing import Any

from videovisual_client import collection
from videovisual_client.commands import folder
from videovisual_client.commands.explaining import Explainer, explain_folder, known
from videovisual_client.commands.options import (
    CommandClip,
    Place,
    RunOptions,
    clip_command,
    map_option,
    method_option,
    results_option,
    with_method,
    with_run,
)
from videovisual_client.terminal import number, out, print_answer, table

MEASURES = ("insertion", "deletion", "sensitivity_n", "relative_delta")
RESULTS = "evaluation"


@clip_command(method_option, with_method, with_run, results_option, map_option)
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
    rows = table("method", "target", *MEASURES)
    for explanation in result.explanations:
        scores = explanation.faithfulness or {}
        row = [number(scores.get(name)) for name in MEASURES]
        rows.add_row(explanation.method, explanation.target.label, *row)
    out.print(rows)
    out.print("insertion and sensitivity_n: higher is better; deletion, relative_delta: lower.")
