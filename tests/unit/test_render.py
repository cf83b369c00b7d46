from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image
from tests.frames import blocks

from videovisual import render
from videovisual.render import Panel
from videovisual.saliency import Saliency

CROP = {
    "source_height": 60,
    "source_width": 91,
    "top": 10.0,
    "left": 20.0,
    "height": 40.0,
    "width": 40.0,
}


def panel(*, signed: bool = False, times: list[float] | None = None) -> Panel:
    values = np.zeros((6, 16, 16), dtype=np.float32)
    values[2, 4:8, 4:8] = 1
    values[3, 4:8, 4:8] = -1 if signed else 0
    provenance = {"crop": CROP, "timestamps": times}
    return Panel(Saliency(values, signed, provenance=provenance), blocks(6, 60, 91), "a caption")


def test_the_heat_lies_where_the_map_is() -> None:
    drawn = panel()
    change = np.abs(
        render.overlay(drawn.saliency, drawn.frames)[:, 10:50, 20:60].astype(int)
        - drawn.frames[:, 10:50, 20:60]
    ).sum(axis=-1)
    assert change[2, 12:18, 12:18].mean() > 100
    assert change[2, 30:, 30:].max() <= 3
    assert change[0].max() <= 3


def test_outside_the_crop_is_dimmed() -> None:
    drawn = panel()
    out = render.overlay(drawn.saliency, drawn.frames)
    np.testing.assert_array_equal(out[:, :10], (drawn.frames[:, :10] * 0.45).astype(np.uint8))


def test_signs_have_their_own_colours() -> None:
    colour, _ = render.heat(panel(signed=True).saliency)
    red, blue = colour[2, 6, 6], colour[3, 6, 6]
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50


def test_a_flat_map_draws_nothing() -> None:
    flat = Saliency(np.zeros((2, 4, 4), dtype=np.float32), signed=False)
    frames = blocks(2, 32, 32)
    np.testing.assert_array_equal(render.overlay(flat, frames), frames)


def test_smoothing_keeps_the_mass_and_the_place() -> None:
    values = np.zeros((1, 200, 200), dtype=np.float32)
    values[0, 50, 120] = 1
    smoothed = render.smooth(values)
    assert smoothed.sum() == pytest.approx(1, rel=1e-4)
    assert np.unravel_index(smoothed.argmax(), smoothed.shape) == (0, 50, 120)
    assert smoothed.max() == pytest.approx(1 / (2 * np.pi * 2.0**2), rel=0.02)


def test_png_is_a_strip_and_repeatable() -> None:
    data = render.to_png([panel(), panel(signed=True)])
    assert data == render.to_png([panel(), panel(signed=True)])
    assert Image.open(io.BytesIO(data)).height == 2 * (2 * 144 + 36)


@pytest.mark.parametrize("times", [None, [0.0, 0.04, 0.12, 0.2, 0.24, 0.5]])
def test_mp4_keeps_the_clips_timing_and_is_repeatable(times: list[float] | None) -> None:
    data = render.to_mp4([panel(times=times)])
    assert all(data == render.to_mp4([panel(times=times)]) for _ in range(3))
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        shown = [float(frame.time) for frame in container.decode(stream) if frame.time is not None]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (182, 60)
        length = float(stream.duration * stream.time_base)
    assert shown == pytest.approx(times or [index / 8 for index in range(6)], abs=2e-3)
    assert length == pytest.approx(0.58 if times else 6 / 8, abs=2e-3)
    assert data.index(b"moov") < data.index(b"mdat")
