from __future__ import annotations

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.frames import blocks
from tests.unit.render.made import answer, drawn, panel, saliency

from videovisual import render, zoo
from videovisual.errors import InvalidParameter
from videovisual.render import Panel, drawing, filmstrip
from videovisual.render.columns import choose, columns_of
from videovisual.render.curve import draw_curve, tick_gap
from videovisual.render.report import report_data
from videovisual.render.style import ACCENT, WARNING
from videovisual.render.text import fitted, length, write
from videovisual.saliency import Saliency
from videovisual.zoo.transform import geometry


def ink(picture: Image.Image, colour: str) -> int:
    wanted = tuple(bytes.fromhex(colour[1:]))
    return int((np.asarray(picture.convert("RGB")) == wanted).all(axis=-1).sum())


def test_png_is_a_strip_and_repeatable() -> None:
    data = render.to_png([panel(), panel(signed=True)])
    assert data == render.to_png([panel(), panel(signed=True)])
    one, two = render.strip([panel()]), Image.open(io.BytesIO(data))
    # The bare frames stand above the first of two maps alone.
    assert one.height < two.height < 2 * one.height
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


def marked(*frames: int, stride: int | None = None) -> Panel:
    """16 grey frames, with evidence in a corner of some of them, and more in the first."""
    values = np.zeros((16, 64, 64), dtype=np.float32)
    for place, frame in enumerate(frames):
        values[frame, 0, 0] = 10 - place
    provenance = {"timestamps": [0.25 * each for each in range(16)], "temporal_stride": stride}
    greys = np.repeat(np.arange(10, 170, 10, dtype=np.uint8), 64 * 64 * 3)
    return Panel(Saliency(values, False, provenance=provenance), greys.reshape(16, 64, 64, 3), "x")


def frames_shown(sheet: Image.Image, columns: int) -> set[tuple[int, ...]]:
    """The frames of each row of pictures in a strip of `marked` panels."""
    pixels = np.asarray(sheet)[:, np.linspace(14 + 72, sheet.width - 14 - 72, columns).astype(int)]
    grey = (np.ptp(pixels, axis=2) == 0) & (pixels[..., 0] % 10 == 0) & (pixels[..., 0] < 170)
    found = [tuple(row[:, 0] // 10 - 1) for row in pixels[grey.all(axis=1)]]
    # Pictures are higher than letters.
    return {row for row in found if found.count(row) > 100}


def test_panels_of_the_same_times_show_the_same_frames() -> None:
    one, two = marked(5), marked(9)
    assert frames_shown(render.strip([one], 5), 5) == {(0, 5, 8, 11, 15)}
    assert frames_shown(render.strip([two], 5), 5) == {(0, 4, 9, 11, 15)}
    # The strongest on average over the panels.
    assert frames_shown(render.strip([one, two, two], 5), 5) == {(0, 4, 9, 11, 15)}


def test_of_frames_that_the_network_moves_over_at_once_the_strongest_is_shown() -> None:
    """I3D's gradient marks every second frame: even steps alone show a comb of strong and weak."""
    odd = range(1, 16, 2)
    assert columns_of([marked(*odd, stride=2)], 4).tolist() == [1, 5, 11, 15]
    assert columns_of([marked(*odd)], 4).tolist() != [1, 5, 11, 15]


def test_frames_are_chosen_by_their_times() -> None:
    assert columns_of([marked(3)], [3.7, 0.3, 0.2]).tolist() == [1, 15]
    frames = Panel(saliency(), blocks(6, 60, 91), "x")
    assert columns_of([frames], [4, 1.2]).tolist() == [1, 4]
    assert columns_of([marked(3, stride=2)], [0.5, 1.9]).tolist() == [3, 8]
    assert columns_of([frames], 99).tolist() == list(range(6))
    for none in (0, -1, [], ()):
        with pytest.raises(InvalidParameter, match="no columns"):
            columns_of([frames], none)


def test_a_wide_strip_has_larger_text() -> None:
    """On a page a picture is as wide as the page, so its text shrinks with it."""
    heights, widths = [], []
    for side in (30, 120):
        values = np.ones((16, 8, 8), dtype=np.float32)
        drawn = Panel(Saliency(values, signed=False), blocks(16, 60, side), "MMMM")
        sheet = render.strip([drawn])
        inked = (np.asarray(sheet)[:, :100] < 128).any(axis=(1, 2))
        first = int(inked.argmax())
        heights.append(int((~inked[first:]).argmax()) / sheet.width)
        widths.append(sheet.width)
    assert widths[1] > 2 * widths[0]
    assert heights[1] == pytest.approx(heights[0], rel=0.3)


def test_frames_have_their_numbers_in_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(filmstrip, "write", lambda _, __, text, **how: written.append(text))
    made = saliency()
    seen = replace(made, provenance={**made.provenance, "frame_indices": [7, 7, 9, 9, 11, 13]})
    shown = drawn(answer(seen))
    render.strip(shown)
    labels = [text.partition(",")[0] for text in written if text.startswith("frame ")]
    assert labels == [f"frame {number}" for number in (7, 7, 9, 9, 11, 13)]
    assert shown[0].clock == [7, 7.5, 9, 9.5, 11, 13]


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


@pytest.mark.parametrize("anchor", ["la", "ma", "ra"])
def test_words_stand_where_the_line_is_measured(anchor: str) -> None:
    sheet = Image.new("L", (400, 30), 255)
    write(ImageDraw.Draw(sheet), (200, 5), "HH HH HH", size=16, fill="black", anchor=anchor)
    inked = np.flatnonzero((np.asarray(sheet) < 128).any(axis=0))
    wide = length("HH HH HH", 16)
    left = 200 - {"l": 0, "m": 0.5, "r": 1}[anchor[0]] * wide
    assert inked[0] == pytest.approx(left, abs=3)
    assert inked[-1] == pytest.approx(left + wide, abs=3)
    within, between = np.unique(np.diff(inked))[-2:]
    assert 0.25 * 16 <= between - within <= 0.35 * 16


@pytest.mark.parametrize(
    ("height", "width"), [(2, 400), (400, 2), (1, 300), (300, 1), (1, 1), (60, 480)]
)
@pytest.mark.parametrize("suffix", ["png", "svg", "gif", "mp4", "html"])
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
