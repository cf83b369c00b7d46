from __future__ import annotations

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image
from tests.frames import blocks
from tests.unit.render.made import answer, drawn, panel, saliency

from videovisual import render, zoo
from videovisual.render import Panel, drawing, filmstrip
from videovisual.render.curve import draw_curve, tick_gap
from videovisual.render.filmstrip import choose
from videovisual.render.report import report_data
from videovisual.render.style import ACCENT, WARNING
from videovisual.render.text import fitted, length
from videovisual.saliency import Saliency
from videovisual.zoo.transform import geometry


def ink(picture: Image.Image, colour: str) -> int:
    wanted = tuple(bytes.fromhex(colour[1:]))
    return int((np.asarray(picture.convert("RGB")) == wanted).all(axis=-1).sum())


def test_png_is_a_strip_and_repeatable() -> None:
    data = render.to_png([panel(), panel(signed=True)])
    assert data == render.to_png([panel(), panel(signed=True)])
    one, two = render.strip([panel()]), Image.open(io.BytesIO(data))
    assert two.height == 2 * one.height
    assert two.width == one.width


def test_the_frames_are_in_the_strip_unchanged() -> None:
    frames = blocks(3, 144, 200)
    values = np.zeros((3, 8, 8), dtype=np.float32)
    sheet = np.asarray(render.strip([Panel(Saliency(values, signed=False), frames, "x")]))
    found = [
        (sheet[top : top + 144, left : left + 200] == frames[1]).all()
        for top in range(sheet.shape[0] - 144)
        for left in range(sheet.shape[1] - 200)
        if (sheet[top, left] == frames[1, 0, 0]).all()
    ]
    # Once as the source, and once more under a map that is empty.
    assert sum(found) == 2


@pytest.mark.parametrize("stride", [None, 1, 2, 4])
def test_the_curve_is_drawn_at_the_networks_resolution(stride: int | None) -> None:
    """All of the saliency is in frame 2 of 6; a stride of 4 leaves a group of two frames."""
    explanation = answer(saliency(stride=stride))
    (found,) = drawn(explanation)
    expected = {1: [0, 0, 1, 0, 0, 0], 2: [0, 0, 0.5, 0.5, 0, 0], 4: [0.25] * 4 + [0, 0]}
    assert found.curve.tolist() == expected[stride or 1]
    (data,) = report_data(explanation, [found])["maps"]
    assert data["curve"] == expected[stride or 1]
    plain = render.strip(drawn(answer(saliency())))
    assert (render.strip([found]) == plain) == (stride in (None, 1))


def test_the_strongest_frame_is_always_shown() -> None:
    for strongest in range(16):
        curve = np.full(16, 0.05, dtype=np.float32)
        curve[strongest] = 0.25
        chosen = choose(curve, 8).tolist()
        assert strongest in chosen
        assert chosen == sorted(set(chosen))
        assert (len(chosen), chosen[0], chosen[-1]) == (8, 0, 15)
    assert choose(np.ones(5, dtype=np.float32), 5).tolist() == [0, 1, 2, 3, 4]
    assert choose(np.ones(1, dtype=np.float32), 1).tolist() == [0]


def test_frames_have_their_numbers_in_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(filmstrip, "write", lambda _, __, text, **how: written.append(text))
    made = saliency()
    seen = replace(made, provenance={**made.provenance, "frame_indices": [7, 7, 9, 9, 11, 13]})
    render.strip(drawn(answer(seen)))
    labels = [text.partition(",")[0] for text in written if text.startswith("frame ")]
    assert labels == [f"frame {number}" for number in (7, 7, 9, 9, 11, 13)]
    assert filmstrip._counted([7, 7, 9, 9, 11, 13]) == [7, 7.5, 9, 9.5, 11, 13]


def test_a_caveat_is_written_in_the_strip() -> None:
    sound = answer(saliency())
    suspect = answer(saliency(converged=False, iterations=7))
    (clean,), (warned,) = drawn(sound), drawn(suspect)
    assert ink(render.strip([clean]), WARNING) == 0
    assert ink(render.strip([warned]), WARNING) > 20
    assert "7 iterations" in warned.doubts[0]


def test_the_bars_of_the_curve_are_as_high_as_the_shares() -> None:
    sheet = Image.new("RGB", (400, 100), "white")
    curve = np.array([0.1, 0.4, 0.2, 0.3], dtype=np.float32)
    draw_curve(sheet, (0, 0, 400, 80), curve, [0.125, 0.375, 0.625, 0.875])
    pixels = (np.asarray(sheet) == tuple(bytes.fromhex(ACCENT[1:]))).all(axis=-1)
    heights = [int(pixels[:, column].sum()) for column in (50, 150, 250, 350)]
    assert heights == pytest.approx([20, 80, 40, 60], abs=4)


def test_the_axis_has_room_for_its_labels_and_cuts_no_frame() -> None:
    assert tick_gap(7, 18, whole=False) == 0.5
    assert tick_gap(7, 18, whole=True) == 1
    assert tick_gap(100, 18, whole=True) == 10


def test_one_frame_and_a_long_caption_make_a_strip_too() -> None:
    single = Panel(
        Saliency(np.ones((1, 4, 4), dtype=np.float32), signed=False),
        blocks(1, 20, 400),
        "word " * 300,
    )
    assert render.strip([single]).height < 1000
    assert render.strip([replace(single, caption="\n\n x \u0000 🎬")]).height < 1000


def test_text_is_cut_to_its_room() -> None:
    text = fitted("a rather long line of text", 60, 12)
    assert text.endswith("...")
    assert length(text, 12) <= 60
    assert fitted("two\nlines", 500, 12) == "two lines"


@pytest.mark.parametrize(
    ("height", "width"), [(2, 400), (400, 2), (1, 300), (300, 1), (1, 1), (60, 480)]
)
@pytest.mark.parametrize("suffix", ["png", "gif", "mp4", "html"])
def test_frames_of_any_shape_make_a_picture_of_bounded_size(
    height: int, width: int, suffix: str
) -> None:
    frames = blocks(3, height, width)
    values = np.zeros((3, 8, 8), dtype=np.float32)
    crop = asdict(geometry(zoo.card("r3d-motion").input, height, width))
    empty = Saliency(values, signed=False, provenance={"crop": crop})
    made = drawing.draw(suffix, answer(empty), [Panel(empty, frames, "x")])
    assert len(made) < 4_000_000
    if suffix in ("png", "gif"):
        picture = Image.open(io.BytesIO(made))
        assert picture.width * picture.height < 4_000_000
