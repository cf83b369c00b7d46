"""The command `videovisual explain`."""

from pathlib import Path
from typing import Any

import click

from videovisual.utils.files import check_writable
from videovisual.utils.suffixes import RECORD_SUFFIX
from videovisual_client import collection
from videovisual_client.commands import folder
from videovisual_client.commands.classify import show_classes
from videovisual_client.commands.explaining import (
    Explainer,
    check_signing,
    explain_folder,
    folder_files,
    known,
    save,
)
from videovisual_client.commands.options import (
    CommandClip,
    Place,
    RunOptions,
    clip_command,
    map_option,
    method_option,
    output_options,
    sign_option,
    with_method,
    with_run,
)
from videovisual_client.commands.timeline import WINDOWS, Windows, explain_film, show
from videovisual_client.describe import describe
from videovisual_client.result import FORMATS, format_of
from videovisual_client.terminal import out, print_answer


@clip_command(
    method_option,
    with_method,
    output_options(f"File to write, .{', .'.join(FORMATS)}, or {RECORD_SUFFIX}; may be repeated."),
    sign_option,
    map_option,
    click.option(
        "--timeline", is_flag=True, help="Of a film of any length: its classes over time."
    ),
    click.option(
        "--windows",
        type=Windows(min=0),
        metavar="N|all",
        default=WINDOWS,
        show_default=True,
        help="With --timeline, how many of its strongest moments are explained.",
    ),
    with_run,
)
def explain(
    clip: CommandClip,
    model: str,
    method: tuple[str, ...],
    as_json: bool,
    output: tuple[Path, ...],
    formats: tuple[str, ...],
    columns: int | tuple[float, ...] | None,
    sign_with: Path | None,
    maps: bool,
    timeline: bool,
    windows: int,
    run: RunOptions,
    place: Place,
    **options: Any,
) -> None:
    """Classify CLIP, and show which part of it made the score.

    CLIP is a video, a folder of frames, or a folder of clips, as in `classify`. The results of a
    folder of clips go to OUTPUT/METHOD/MODEL: maps, answers and a summary, and with --format
    evidence a record a clip. With --timeline, CLIP is a video, also of hours; the report goes to
    OUTPUT/timeline/MODEL. A command that was stopped continues when it is run again.

    \b
    Examples: videovisual explain clip.mp4 --model i3d-kinetics400 \\
                --method integrated_gradients --steps 20 -o overlay.mp4 -o map.npz
              videovisual explain clip.mp4 --model i3d-kinetics400 --method step \\
                --area 0.1 --target "ironing" --local -o strip.png
              videovisual explain clips/ --model i3d-kinetics400 --method grad_cam \\
                --method step -o results --format mp4
              videovisual explain film.mp4 --model i3d-kinetics400 --timeline
    """
    place.check()
    methods = known(method)
    if timeline:
        if not isinstance(clip, Path) or not clip.is_file():
            raise click.UsageError("--timeline is for a video file.")
        if formats or sign_with is not None or options["window"] is not None:
            raise click.UsageError(
                "--timeline takes no --format, --sign-with or --window: it writes a report, and "
                "chooses the windows."
            )
        with place.open() as client:
            explainer = Explainer(client, model, methods, options)
            film = explain_film(explainer, clip, _results(output), windows, fresh=run.fresh)
        show(film, as_json)
        return
    clips = collection.clips_in(clip, run.labels_from)
    if clips is not None and columns is not None:
        raise click.UsageError("--columns is for one clip. Leave it out with a folder of clips.")
    if clips is not None:
        results = _results(output)
        files = folder_files(formats, sign_with)
        folder.show(
            explain_folder(place, clips, model, methods, options, results, run, files), as_json
        )
        return
    if formats:
        raise click.UsageError("--format is for a folder of clips. Name the files with -o.")
    check_signing(sign_with, output)
    for path in output:
        format_of(path, clip)
        check_writable(path)
    with place.open() as client:
        result = Explainer(client, model, methods, options).one(clip)
    save(result, output, columns, sign_with)
    if as_json:
        print_answer(result.answer, maps)
        return
    show_classes(result)
    for explanation in result.explanations:
        for line in describe(explanation):
            out.print(line, markup=False, soft_wrap=True)


def _results(output: tuple[Path, ...]) -> Path:
    if len(output) > 1 or any(path.is_file() or path.suffix[1:] in FORMATS for path in output):
        raise click.UsageError(
            "The results of a folder of clips, or of a film with --timeline, go to one folder. "
            "Name it with -o, and the pictures with --format."
        )
    return output[0] if output else Path("results")
