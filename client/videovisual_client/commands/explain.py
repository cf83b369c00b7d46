"""The command `videovisual explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from videovisual_client import collection, exits
from videovisual_client.commands import folder
from videovisual_client.commands.classify import show_classes
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
from videovisual_client.describe import describe
from videovisual_client.result import FORMATS, PICTURES, format_of
from videovisual_client.terminal import log, out, print_json


@click.command(epilog=exits.TABLE)
@given_options(*clip_options, method_option)
@with_method
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    multiple=True,
    help=f"File to write, .{', .'.join(FORMATS)}; may be repeated. Of a folder of clips, the "
    "folder of the results.  [results]",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(PICTURES),
    multiple=True,
    help="Of a folder of clips, pictures to make of each; may be repeated.",
)
@given_options(*folder_options)
@placed
def explain(
    clip: Path,
    model: str,
    method: tuple[str, ...],
    as_json: bool,
    output: tuple[Path, ...],
    formats: tuple[str, ...],
    concurrency: int,
    fresh: bool,
    place: Place,
    **options: Any,
) -> None:
    """Say what CLIP shows, and which part of it made the model say so.

    CLIP is a video, a folder of frames, or a folder of clips, as `classify` takes them. Results of
    a folder of clips go to OUTPUT/METHOD/MODEL: the map, the answer and a summary; stopped, the
    same command goes on where it was.

    \b
    Examples: videovisual explain clip.mp4 --model i3d-kinetics400 \\
                --method integrated_gradients --steps 20 -o overlay.mp4 -o map.npz
              videovisual explain clip.mp4 --model i3d-motion --method step \\
                --area 0.1 --target "spins" --local -o strip.png
              videovisual explain clips/ --model i3d-kinetics400 --method grad_cam \\
                --method step -o results --format mp4
    """
    methods = known(method)
    clips = collection.clips_in(clip)
    if clips is not None:
        results = _results(output)
        with place.open() as asker:
            summaries = [
                ask_all(
                    asker,
                    clips,
                    model,
                    [name],
                    results=results / name / model,
                    formats=formats,
                    concurrency=concurrency,
                    fresh=fresh,
                    **of_methods([name], methods, options),
                )
                for name in methods
            ]
        folder.show(summaries, as_json)
        return
    if formats:
        raise click.UsageError("--format is for a folder of clips. Name the files with -o.")
    for path in output:
        format_of(path, clip)
    with place.open() as asker:
        result = ask_one(asker, clip, model, methods, **options)
    written = [result.save(path) for path in output]
    if as_json:
        print_json(result.answer.model_dump(mode="json"))
    else:
        show_classes(result)
        for explanation in result.explanations:
            for line in describe(explanation):
                out.print(line, markup=False, soft_wrap=True)
    for path in written:
        log.print(f"wrote {path}", soft_wrap=True, markup=False)


def _results(output: tuple[Path, ...]) -> Path:
    if len(output) > 1 or any(path.is_file() or path.suffix[1:] in FORMATS for path in output):
        raise click.UsageError(
            "The results of a folder of clips go to one folder: give it with -o, and the pictures "
            "to make with --format."
        )
    return output[0] if output else Path("results")
