"""The command `videovisual classify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from videovisual.protocol import MAX_VIEWS
from videovisual_client import collection, exits
from videovisual_client.batch import Batch
from videovisual_client.collection import NamedClip
from videovisual_client.commands import folder
from videovisual_client.commands.options import (
    Place,
    chosen,
    clip_options,
    folder_options,
    given_options,
    placed,
)
from videovisual_client.result import Classification
from videovisual_client.terminal import job_bar, out, print_json

SHOWN_A_SECOND = 3
RESULTS = "classification"


@click.command(epilog=exits.TABLE)
@given_options(*clip_options, *folder_options)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Of a folder of clips, where the results go.",
)
@click.option(
    "--views",
    type=click.IntRange(1, MAX_VIEWS),
    help="So many windows of the clip, whose scores are averaged.",
)
@click.option("--timeline", is_flag=True, help="Classify every second by itself too.")
@placed
def classify(
    clip: Path,
    model: str,
    as_json: bool,
    output: Path,
    concurrency: int,
    fresh: bool,
    timeline: bool,
    place: Place,
    **options: Any,
) -> None:
    """Say what CLIP shows: a video, a folder of frames, or a folder of clips.

    A folder of clips holds a folder of frames or a video file each, whose name begins with the
    right class before a `-`; the accuracy is reckoned by that. Results go to
    OUTPUT/classification/MODEL; stopped, the same command goes on where it was.

    \b
    Examples: videovisual classify clip.mp4 --model i3d-kinetics400
              videovisual classify long.mp4 --model i3d-kinetics400 --views 10
              videovisual classify long.mp4 --model i3d-kinetics400 --timeline
              videovisual classify clips/ --model i3d-kinetics400 -o results
              videovisual classify clip.mp4 --model i3d-motion --local --json
    """
    asked = chosen({**options, "timeline": timeline or None})
    clips = collection.clips_in(clip)
    with place.open() as asker:
        if clips is not None:

            def ask(named: NamedClip) -> Classification:
                return asker.classify(named.path, model=model, **asked)

            batch = Batch(output / RESULTS / model, {"model": model, **asked})
            summary = folder.run(
                clips, batch, ask, title="classifying", concurrency=concurrency, fresh=fresh
            )
            folder.show([summary], as_json)
            return
        several = timeline or options["views"]
        with job_bar("classifying") as advance:
            result = asker.classify(
                clip, model=model, on_progress=advance if several else None, **asked
            )
    if as_json:
        print_json(result.answer.model_dump(mode="json"))
    else:
        show_classes(result)


def show_classes(result: Classification) -> None:
    """The best classes as a table, and each second's where a timeline was asked for."""
    table = Table("class", "probability", box=None)
    for prediction in result.predictions:
        table.add_row(prediction.label, f"{100 * prediction.probability:.1f}%")
    out.print(table)
    if not result.timeline:
        return
    table = Table("seconds", "classes", box=None)
    for second in result.timeline:
        classes = ", ".join(
            f"{prediction.label} {100 * prediction.probability:.0f}%"
            for prediction in second.predictions[:SHOWN_A_SECOND]
        )
        table.add_row(f"{second.start_s:.0f}-{second.end_s:.4g}", classes)
    out.print(table)
