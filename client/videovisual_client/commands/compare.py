"""The command `videovisual compare`."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from videovisual.attribution import catalogue
from videovisual.protocol import Explanation
from videovisual.protocol.caveats import caveats
from videovisual.utils.extras import needs
from videovisual.utils.files import check_writable
from videovisual.utils.suffixes import RECORD_SUFFIX
from videovisual_client import collection
from videovisual_client.commands import folder
from videovisual_client.commands.explaining import (
    Explainer,
    check_signing,
    folder_files,
    known,
    save,
)
from videovisual_client.commands.options import (
    CommandClip,
    Place,
    RunOptions,
    clip_command,
    complete_methods,
    map_option,
    output_options,
    sign_option,
    with_method,
    with_run,
)
from videovisual_client.describe import strongest_time
from videovisual_client.result import PICTURES, format_of
from videovisual_client.terminal import out, print_answer, table

RESULTS = "compare"
DEFAULT = "gradient,integrated_gradients,grad_cam"
ALL = "all"
STRONGEST = 0.1
"""The share of all points that the overlap is about; random maps overlap by the same share."""


@clip_command(
    click.option(
        "--methods",
        default=DEFAULT,
        show_default=True,
        shell_complete=complete_methods,
        help=f"Separated by commas, or `{ALL}` for all whose extras are installed.",
    ),
    with_method,
    output_options(
        f"File to write, .{', .'.join(PICTURES)}, or {RECORD_SUFFIX}; may be repeated.  "
        "[compare.png] ",
        "  [png]",
    ),
    sign_option,
    map_option,
    with_run,
)
def compare(
    clip: CommandClip,
    model: str,
    methods: str,
    as_json: bool,
    output: tuple[Path, ...],
    formats: tuple[str, ...],
    columns: int | tuple[float, ...] | None,
    sign_with: Path | None,
    maps: bool,
    run: RunOptions,
    place: Place,
    **options: Any,
) -> None:
    """Explain CLIP by several methods, and draw the maps side by side in one picture.

    Also prints how much each two methods agree: of the strongest tenth of all points of each map,
    the share that both have. Random maps share 10%. CLIP may be a folder of clips, as in
    `classify`; the pictures go to OUTPUT/compare/MODEL. An evidence record is one of all methods.

    \b
    Examples: videovisual compare clip.mp4 --model i3d-kinetics400 \\
                --methods grad_cam,integrated_gradients,step --area 0.1 -o compare.png
              videovisual compare clip.mp4 --model i3d-kinetics400 --methods all --local \\
                -o compare.mp4 -o evidence.json --sign-with laboratory.key
    """
    place.check()
    every = methods.strip().lower() == ALL
    chosen = [entry.name for entry in catalogue.ENTRIES] if every else methods.split(",")
    names = known([name for name in chosen if name.strip()])
    clips = collection.clips_in(clip, run.labels_from)
    if clips is not None and columns is not None:
        raise click.UsageError("--columns is for one clip. Leave it out with a folder of clips.")
    pictures = output or (Path("compare.png"),)
    files = None
    if clips is not None:
        files = folder_files(formats or ("png",), sign_with)
    else:
        check_signing(sign_with, pictures)
        for path in pictures:
            format_of(path, clip)
            check_writable(path)
    with needs("pictures", "Without them, use `explain` with several --method."):
        importlib.import_module("numpy")
    with place.open() as client:
        explainer = Explainer(client, model, names, options, skip_missing=every)
        if clips is not None:
            results = (output[0] if output else Path("results")) / RESULTS / model
            folder.show([explainer.many(clips, results, run, files)], as_json)
            return
        result = explainer.one(clip)
    save(result, pictures, columns, sign_with)
    shared = overlap(result.explanations)
    if as_json:
        print_answer(result.answer, maps, overlap=shared)
    else:
        _show(result.explanations, shared)


def overlap(explanations: Sequence[Explanation]) -> list[list[float]]:
    """Of the strongest points of each two maps, the share that both have, in [0, 1].

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
    rows = table("method", "target", "looked most at", *names)
    for explanation, row in zip(explanations, shared, strict=True):
        rows.add_row(
            explanation.method,
            explanation.target.label,
            strongest_time(explanation) or "tells no time",
            *(f"{100 * value:.0f}%" for value in row),
        )
    out.print(rows)
    for explanation in explanations:
        for caveat in caveats(explanation):
            out.print(f"caution! {explanation.method}: {caveat}", markup=False, soft_wrap=True)
    out.print("The last columns: of the strongest tenth of all points, the share that both have.")
