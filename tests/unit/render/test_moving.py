from __future__ import annotations

import io
import re
from dataclasses import replace

import av
import numpy as np
import pytest
from PIL import Image
from tests.frames import blocks
from tests.unit.render.made import answer, drawn, panel, saliency

from videovisual import clips, render
from videovisual.errors import MissingExtra
from videovisual.render import Film, Panel, sheet
from videovisual.render.sheet import Sheet
from videovisual.saliency import Saliency
from videovisual.utils.extras import install_command


def timeline(data: bytes) -> tuple[list[float], float]:
    """When each frame of an mp4 is shown, and how long all are, in seconds."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        shown = [float(frame.time) for frame in container.decode(stream) if frame.time is not None]
        return shown, float(stream.duration * stream.time_base)


@pytest.mark.parametrize("times", [None, [0.0, 0.04, 0.12, 0.2, 0.24, 0.5]])
def test_mp4_keeps_the_clips_timing_and_is_repeatable(times: list[float] | None) -> None:
    data = render.to_mp4([panel(times=times)])
    assert all(data == render.to_mp4([panel(times=times)]) for _ in range(3))
    shown, length = timeline(data)
    assert shown == pytest.approx(times or [index / 8 for index in range(6)], abs=2e-3)
    assert length == pytest.approx(0.58 if times else 6 / 8, abs=2e-3)
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.width % 2 == stream.height % 2 == 0


def test_mp4_shows_the_source_frames_between_those_that_the_model_saw() -> None:
    frames = blocks(30, 60, 91)
    source = clips.open_frames(frames, fps=25.0)
    seen = list(range(2, 30, 5))
    told = answer(saliency(times=[index / 25 for index in seen]))
    told.clip["frame_indices"] = seen
    (made,) = render.panels(told, [told.explanations[0].to_saliency()], frames[seen], source)
    shown, length = timeline(render.to_mp4([made]))
    assert shown == pytest.approx([index / 25 for index in range(30)], abs=2e-3)
    assert length == pytest.approx(30 / 25, abs=2e-3)


def test_the_sheet_holds_the_source_in_its_own_size() -> None:
    frames = blocks(2, 200, 300)
    plain = Panel(Saliency(np.zeros((2, 8, 8), np.float32), signed=False), frames, "x")
    sheet = Sheet([plain], plain.shown, (4096, 2304))
    pixels = np.asarray(sheet.picture(plain.shown.shots[1], frames[1]))
    top = next(row for row in range(100) if (pixels[row, 6:306] == frames[1, 0]).all())
    np.testing.assert_array_equal(pixels[top : top + 200, 6:306], frames[1])
    np.testing.assert_array_equal(pixels[top : top + 200, 312:612], frames[1])


def test_a_caption_tells_the_model_beside_the_doubts(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(sheet, "write", lambda _, __, text, **how: written.append(text))
    (suspect,) = drawn(answer(saliency(partial=True)))
    wide = replace(suspect, frames=blocks(6, 400, 400))
    Sheet([wide], wide.shown, (4096, 2304))
    assert written == ["source", "gradient: waving", "made-up gives it 90.0%", "Partial"]


def test_text_grows_with_the_frames() -> None:
    def head(side: int) -> int:
        """How far down the first frame begins."""
        frames = np.full((1, side, side, 3), 9, np.uint8)
        flat = Panel(Saliency(np.zeros((1, 8, 8), np.float32), signed=False), frames, "caption")
        sheet = Sheet([flat], flat.shown, (4096, 2304))
        column = np.asarray(sheet.picture(flat.shown.shots[0], frames[0]))[:, 200, 0]
        return int((column == 9).argmax())

    assert head(1200) == 3 * head(400) > 0


@pytest.mark.parametrize(("width", "height"), [(2000, 1500), (3000, 40), (40, 3000)])
def test_large_frames_are_made_to_fit_a_player(width: int, height: int) -> None:
    film = Film.of_frames(np.zeros((1, height, width, 3), np.uint8))
    some = Saliency(np.zeros((1, 8, 8), np.float32), signed=False)
    for count in (1, 4, 64):
        made = [Panel(some, np.zeros((1, height, width, 3), np.uint8), "x", film=film)] * count
        sheet = Sheet(made, film, (4096, 2304))
        assert sheet.size[0] <= 4096
        assert sheet.size[1] <= 2304


def test_gif_keeps_length_and_colours() -> None:
    times = [0.0, 0.04, 0.13, 0.2, 0.24, 0.5]
    data = render.to_gif([panel(times=times, signed=True)])
    assert data == render.to_gif([panel(times=times, signed=True)])
    with Image.open(io.BytesIO(data)) as gif:
        lengths = []
        for place in range(getattr(gif, "n_frames", 1)):
            gif.seek(place)
            lengths.append(gif.info["duration"])
        assert gif.info["loop"] == 0
        gif.seek(2)
        shown = np.asarray(gif.convert("RGB"))
    assert sum(lengths) == 570
    assert lengths == [40, 90, 70, 40, 260, 70]
    exact = panel(times=times, signed=True)
    sheet = Sheet([exact], exact.shown, (960, 720))
    wanted = np.asarray(sheet.picture(exact.shown.shots[2], exact.frames[2]))
    assert np.abs(shown.astype(int) - wanted).mean() < 6


def test_a_gif_is_never_faster_than_browsers_play() -> None:
    film = Film.of_frames(blocks(60, 32, 32), [index / 120 for index in range(60)])
    some = Saliency(np.zeros((60, 8, 8), np.float32), signed=False)
    data = render.to_gif([Panel(some, blocks(60, 32, 32), "x", film=film)])
    with Image.open(io.BytesIO(data)) as gif:
        lengths = []
        for place in range(getattr(gif, "n_frames", 1)):
            gif.seek(place)
            lengths.append(gif.info["duration"])
    assert min(lengths) >= 30
    assert sum(lengths) == 500


def test_without_pyav_mp4_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtra, match=re.escape(install_command("video"))):
        render.to_mp4([panel()])
    told = answer(saliency())
    assert render.to_gif(drawn(told))
