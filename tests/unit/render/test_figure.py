"""Figures as PDF and SVG, read as their readers do."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader
from tests.unit.render.made import answer, drawn, saliency

from videovisual import render
from videovisual.render import Panel, drawing
from videovisual.saliency import Saliency

SVG = "{http://www.w3.org/2000/svg}"
TIMES = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


def shown(*saliencies: Saliency, label: str = "waving") -> list[Panel]:
    return drawn(answer(*saliencies, label=label))


def svg(panels: list[Panel], **options: object) -> ElementTree.Element:
    return ElementTree.fromstring(render.to_svg(panels, **options))


def texts(page: ElementTree.Element) -> list[str]:
    return ["".join(each.itertext()) for each in page.iter(f"{SVG}text")]


def pictures(page: ElementTree.Element) -> list[Image.Image]:
    links = [
        each.get("{http://www.w3.org/1999/xlink}href", "") for each in page.iter(f"{SVG}image")
    ]
    return [Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))) for link in links]


def test_the_texts_of_a_pdf_and_an_svg_are_text() -> None:
    panels = shown(saliency(converged=False, iterations=7, times=TIMES), saliency(signed=True))
    (page,) = PdfReader(io.BytesIO(render.to_pdf(panels))).pages
    written = " ".join(texts(svg(panels)))
    for text in (written, page.extract_text()):
        words = " ".join(text.split())
        for wanted in (
            "a gradient: waving. made-up gives it 90.0%.",
            "Caution! Not converged: after 7 iterations the search was still getting better.",
            "b gradient: waving.",
            "Red supports the class, blue opposes it.",
            "6 of the 6 frames that the model saw",
            "0.25 s",
            "for",
        ):
            assert wanted in words


def test_there_is_a_row_for_each_map_and_a_column_for_each_frame() -> None:
    panels = shown(saliency(times=TIMES), saliency(times=TIMES))
    page = svg(panels, columns=[0.5, 0.8])
    # One row of bare frames, two of maps, and two legends.
    frames = [each for each in pictures(page) if each.height > 1]
    assert len(frames) == 3 * 2
    assert len(pictures(page)) == len(frames) + 2
    bare, maps = frames[:2], frames[2:4]
    for picture, frame in zip(bare, panels[0].frames[[2, 3]], strict=True):
        assert (np.asarray(picture.convert("RGB")) == frame).all()
    painted = render.overlay(panels[0].saliency, panels[0].frames)[[2, 3]]
    for picture, frame in zip(maps, painted, strict=True):
        assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - frame).max() <= 1
    assert {"0.50 s", "0.75 s"} <= set(texts(page))
    assert "0.25 s" not in texts(page)


def test_frames_are_not_finer_than_print() -> None:
    frames = np.zeros((1, 1600, 800, 3), np.uint8)
    page = svg([Panel(Saliency(np.ones((1, 8, 8), np.float32), signed=False), frames, "x")])
    # 150 points are 625 dots.
    assert {each.height for each in pictures(page)} == {625, 1}


def test_equal_figures_are_equal_bytes() -> None:
    for draw in (render.to_pdf, render.to_svg):
        assert draw(shown(saliency()), 2) == draw(shown(saliency()), 2)


def test_settings_of_the_process_change_nothing_and_are_kept() -> None:
    mpl = pytest.importorskip("matplotlib")
    plain = render.to_svg(shown(saliency()))
    with mpl.rc_context({"svg.fonttype": "path", "font.size": 30, "text.usetex": True}):
        assert render.to_svg(shown(saliency())) == plain
        assert mpl.rcParams["font.size"] == 30
        mpl.use("svg")
        render.to_pdf(shown(saliency()), 1)
        assert mpl.get_backend() == "svg"


@pytest.mark.parametrize(
    "label", ["$x^2$ & <b>", "two\nlines \u0000\x1b", "w" * 400, "\ud800 lone", "word " * 100]
)
def test_any_label_makes_a_figure_that_is_well_formed(label: str) -> None:
    (panel,) = shown(saliency())
    panels = [replace(panel, caption=f"gradient: {label}", doubts=(label,))]
    page = svg(panels)
    if len(label) < 20:
        assert any("$x^2$ & <b>" in text for text in texts(page)) == label.startswith("$")
    assert PdfReader(io.BytesIO(render.to_pdf(panels))).pages[0].extract_text()


def test_long_texts_stay_on_the_page() -> None:
    (panel,) = shown(saliency(times=TIMES))
    long = replace(
        panel, caption="a rather long name of a class " * 9, doubts=("why it may " * 60,)
    )
    page = svg([long])
    width = float(page.get("viewBox", "").split()[2])
    measure = pytest.importorskip("matplotlib.textpath").TextPath
    lines = [each for each in page.iter(f"{SVG}text") if "anchor: start" in each.get("style", "")]
    assert len(lines) > 5
    for each in lines:
        extents = measure((0, 0), "".join(each.itertext()) or " ", size=7.5).get_extents()
        assert float(each.get("x", "")) + extents.x1 <= width


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_results_are_saved_as_figures(suffix: str, tmp_path: Path) -> None:
    made = answer(saliency(times=TIMES))
    (panel,) = drawn(made)
    saved = drawing.draw(suffix, made, [panel], [0.5])
    assert saved == drawing.draw(suffix, made, [panel], 1)
    assert saved != drawing.draw(suffix, made, [panel])
