"""Every kind of video, held against the ffmpeg tool frame by frame."""

import numpy as np
import pytest

pytest.importorskip("imageio_ffmpeg", reason="needs the ffmpeg tool of imageio-ffmpeg")

from tests.unit.clips.matrix import cases, ffmpeg, make

from videovisual.clips import open_bytes
from videovisual.errors import MalformedClip

ALL = cases(620)
EVERY = 10

TO_SDR = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=709:t=709:m=709:r=tv,format=yuv444p,"
"""The other implementation (zimg): it clips at the same white, but each channel by itself, where
libswscale keeps the hue. Grey is equal, and saturated colours differ."""

TOLERANCES = {"plain": 2.0, "scaled": 4.0, "hdr": 12.0}
"""Mean error of a frame, of 255: rounding of colours; bicubic scaling of RGB or of YUV; the mapping
of saturated colours. A wrong frame is off by 15 or more."""


def shown_by_ffmpeg(case, path):
    """The frames that the ffmpeg tool shows, one after another; none if it shows none."""
    filters = (TO_SDR if case.transfer else "") + "scale=trunc(iw*sar):ih,setsar=1"
    output = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    try:
        return ffmpeg("-i", path, "-vf", filters, *output)
    except RuntimeError as error:
        if "received no packets" not in str(error):
            raise
        return b""


def check(case, folder):
    path = make(case, folder)
    expected = shown_by_ffmpeg(case, path)
    if not expected:
        with pytest.raises(MalformedClip, match="no frame that can be shown"):
            open_bytes(path.read_bytes())
        return
    source = open_bytes(path.read_bytes())
    info = source.info
    frame = (info.height, info.width, 3)
    assert len(expected) == info.frame_count * np.prod(frame)
    together = source.read(range(info.frame_count))
    for index in reversed(range(info.frame_count)):
        np.testing.assert_array_equal(source.read([index])[0], together[index])
    shown = np.frombuffer(expected, np.uint8).reshape(-1, *frame).astype(int)
    errors = np.abs(together - shown).mean(axis=(1, 2, 3))
    is_scaled = case.aspect != "1" or case.start == "resized"
    kind = "hdr" if case.transfer else "scaled" if is_scaled else "plain"
    assert errors.max() <= TOLERANCES[kind], errors
    assert (np.diff(source.times) > 0).all()
    assert source.times[0] == 0


@pytest.mark.parametrize("case", ALL[::EVERY], ids=str)
def test_frames_are_those_that_ffmpeg_shows(case, tmp_path):
    check(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [case for number, case in enumerate(ALL) if number % EVERY], ids=str
)
def test_frames_are_those_that_ffmpeg_shows_in_the_whole_matrix(case, tmp_path):
    check(case, tmp_path)
