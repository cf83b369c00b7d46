"""`explain --timeline`: the classes over a long film, and its moments explained.

OUT/timeline/MODEL/NAME/index.html           the report
OUT/timeline/MODEL/NAME/timeline.json        the same as JSON
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from videovisual.utils.files import check_writable, write_whole
from videovisual.utils.text import readable
from videovisual.version import __version__
from videovisual_client.commands.explaining import Explainer
from videovisual_client.commands.film import FilmRun, moment_name
from videovisual_client.errors import VideoVisualError
from videovisual_client.result import check_format
from videovisual_client.terminal import bar, log, out, print_json, table
from videovisual_client.timeline import Moment, strongest

WINDOWS = 8
"""How many moments are explained by default."""

PAGE_BYTES = 48 * 2**20
"""The most that the explanations take in the report; the others are in their own files only."""

STILLS = 240
STILL_SIDE = 192
"""Pictures of the film for the report, and their longer side in pixels."""

ROWS = 30
"""The most moments that the command prints."""


class Windows(click.IntRange):
    """A number of windows, or `all`, which is -1."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        return -1 if value in ("all", -1) else super().convert(value, param, ctx)


def explain_film(
    explainer: Explainer, clip: Path, results: Path, windows: int, *, fresh: bool
) -> dict[str, Any]:
    """Classify a film, explain its strongest moments, and write the report.

    Args:
        explainer: its options are the command's.
        clip: the film's file.
        results: the folder OUT.
        windows: how many moments are explained; -1 for all.
        fresh: whether to compute again what an earlier run has finished.

    Returns:
        What `timeline.json` holds.

    Raises:
        VideoVisualError: finished results are kept.
    """
    check_format("html", clip)
    folder = results / "timeline" / explainer.model / clip.stem
    check_writable(folder / "index.html")
    run = FilmRun(explainer, clip, folder, fresh=fresh)
    run.probe()
    with bar("classifying") as advance:
        run.classify(advance)
    moments = run.timeline.moments(run.targets)
    chosen = strongest(moments, None if windows < 0 else windows)
    explanations: dict[Moment, dict[str, Any]] = {}
    drawn: list[dict[str, Any]] = []
    size = 0
    with bar("explaining") as advance:
        for moment, record in run.explain(chosen, advance):
            shown = record.pop("drawn", None)
            size += len(json.dumps(shown))
            if shown is not None and size <= PAGE_BYTES:
                record["page"] = len(drawn)
                drawn.append(shown)
            explanations[moment] = record
    written = _json(run, moments, explanations)
    write_whole(folder / "timeline.json", json.dumps(written))
    page = {
        **run.timeline.drawn(moments, run.targets),
        "version": __version__,
        "film": readable(clip.name),
        "model": explainer.model,
        "methods": list(explainer.methods),
        "moments": [_row(run, moment, explanations.get(moment)) for moment in moments],
        "stills": list(_stills(run)),
    }
    from videovisual import render  # noqa: PLC0415

    write_whole(folder / "index.html", render.to_timeline(page, drawn))
    return {"folder": str(folder), **written}


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print the explained and the strongest moments in order, or all as JSON."""
    if as_json:
        print_json(result)
        return
    moments = sorted(
        result["moments"],
        key=lambda each: (each["explanation"] is not None, each["class"]["logit"]),
        reverse=True,
    )
    rows = table("from", "to", "class", "at best", "explained")
    for each in sorted(moments[:ROWS], key=lambda each: each["start_s"]):
        kind, explanation = each["class"], each["explanation"] or {}
        error = explanation.get("error", {}).get("message", "")
        rows.add_row(
            clock(each["start_s"]),
            clock(each["end_s"]),
            escape(kind["label"]),
            f"{kind['logit']:.4g}" if kind["probability"] is None else f"{kind['probability']:.1%}",
            escape(error) or ("yes" if explanation else ""),
        )
    out.print(rows)
    if len(moments) > ROWS:
        log.print(f"{ROWS} of {len(moments)} moments: the explained ones, then the strongest")
    log.print(f"report: {result['folder']}/index.html", soft_wrap=True, markup=False)


def clock(seconds: float) -> str:
    """A time in a film, such as 1:02:03.5."""
    whole, rest = divmod(round(10 * seconds), 10)
    text = f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{rest}" if rest else text


def _json(
    run: FilmRun, moments: Sequence[Moment], explanations: Mapping[Moment, dict[str, Any]]
) -> dict[str, Any]:
    """The film, its windows and its moments, without maps."""
    return {
        "film": {
            "name": readable(run.clip.name),
            "sha256": run.sha256,
            "duration_s": run.film.duration_s,
            "frames": run.film.frames,
        },
        "model": run.explainer.model,
        "classifier_sha256": run.classifier,
        **run.timeline.to_json(),
        "moments": [
            run.timeline.moment_json(moment) | {"explanation": explanations.get(moment)}
            for moment in moments
        ],
    }


def _row(run: FilmRun, moment: Moment, record: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the page lists of a moment."""
    told = {} if record is None else record
    row = run.timeline.moment_json(moment)
    explained = f"{moment_name(moment)}.json" if "answer" in told else None
    return row | {"explained": explained, "page": told.get("page")}


def _stills(run: FilmRun) -> Iterator[dict[str, Any]]:
    """Small pictures of the film; what can't be decoded is left out."""
    from videovisual import clips, render  # noqa: PLC0415

    as_shown = run.explainer.options["as_shown"] is not False
    for time in run.film.key_times(STILLS):
        if time > run.end_s or time < run.start_s - 1:
            continue
        try:
            source = clips.open_bytes(run.film.still(time).data, as_shown=as_shown)
            picture = render.still(source.read([0])[0], STILL_SIDE)
        except VideoVisualError:
            continue
        yield {"time": round(time, 3), "picture": picture}
