"""The command `videovisual classify`."""

from pathlib import Path
from typing import Any

import click

from videovisual.protocol import MAX_VIEWS
from videovisual.protocol.caveats import clip_caveats
from videovisual.utils.files import check_writable
from videovisual_client import collection
from videovisual_client.batch import Batch
from videovisual_client.commands import folder
from videovisual_client.commands.options import (
    CommandClip,
    Place,
    RunOptions,
    clip_command,
    given,
    results_option,
    with_run,
)
from videovisual_client.result import Classification
from videovisual_client.terminal import job_bar, out, print_json, table

SHOWN_A_SECOND = 3
RESULTS = "classification"


@clip_command(
    with_run,
    results_option,
    click.option(
        "--views",
        type=click.IntRange(1, MAX_VIEWS),
        help="Number of windows of the clip whose scores are averaged.",
    ),
    click.option("--timeline", is_flag=True, help="Also classify each second by itself."),
)
def classify(
    clip: CommandClip,
    model: str,
    as_json: bool,
    output: Path,
    run: RunOptions,
    timeline: bool,
    place: Place,
    **options: Any,
) -> None:
    """Classify CLIP: a video, a folder of frames, or a folder of clips.

    A folder of clips holds video files or folders of frames. The label for the accuracy is the name
    of a class folder, the name of the clip up to a `-`, or that of a list (--labels-from). Results
    go to OUTPUT/classification/MODEL. A command that was stopped continues when it is run again.
    CLIP may be - for standard input.

    \b
    Examples: videovisual classify clip.mp4 --model i3d-kinetics400
              videovisual classify long.mp4 --model i3d-kinetics400 --views 10
              videovisual classify long.mp4 --model i3d-kinetics400 --timeline
              videovisual classify clips/ --model i3d-kinetics400 -o results
              videovisual classify UCF-101/ --model mine --labels-from testlist01.txt
              videovisual classify clip.mp4 --model i3d-kinetics400 --local --json
    """
    request = given({"model": model, **options, "timeline": timeline or None})
    clips = collection.clips_in(clip, run.labels_from)
    with place.open() as client:
        if clips is not None:
            results = output / RESULTS / model
            check_writable(results / "summary.json")
            summary = folder.run(
                client,
                clips,
                Batch(results, request),
                lambda named: client.classify(named.path, **request),
                title="classifying",
                model=model,
                options=options,
                run=run,
            )
            folder.show([summary], as_json)
            return
        windows = timeline or options["views"]
        with job_bar("classifying") as advance:
            result = client.classify(clip, on_progress=advance if windows else None, **request)
    if as_json:
        print_json(result.answer.model_dump(mode="json"))
    else:
        show_classes(result)


def show_classes(result: Classification) -> None:
    """Print the best classes, and those of each second if the request had `timeline`."""
    rows = table("class", "score")
    for prediction in result.predictions:
        rows.add_row(prediction.label, prediction.score)
    out.print(rows)
    for caveat in clip_caveats(result.answer.clip):
        out.print(f"caution! {caveat}", markup=False, soft_wrap=True)
    if not result.timeline:
        return
    rows = table("seconds", "classes")
    for second in result.timeline:
        classes = ", ".join(
            f"{prediction.label} {prediction.score}"
            for prediction in second.predictions[:SHOWN_A_SECOND]
        )
        rows.add_row(f"{second.start_s:.0f}-{second.end_s:.4g}", classes)
    out.print(rows)
