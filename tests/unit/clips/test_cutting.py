"""Pieces of a long video have the same frames at the same times, and are small."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.clips.makers import encode, encode_frames, numbers_of, paint

from videovisual.clips import cutting, open_bytes
from videovisual.clips.cutting import LongVideo
from videovisual.errors import InvalidRequest, MalformedClip, TooLarge, UnsupportedMedia

COUNT = 80
FPS = 25
REORDERED = (("x264-params", "open-gop=1:bframes=3"),)


def long_video(folder, data):
    path = folder / "film"
    path.write_bytes(data)
    return LongVideo(path)


@pytest.mark.parametrize(
    ("codec", "container", "options"),
    [
        ("libx264", "mp4", REORDERED),
        ("libx264", "matroska", REORDERED),
        ("libx264", "mpegts", REORDERED),
        ("libx264", "avi", (("bf", "3"),)),
        ("mpeg2video", "mpeg", ()),
    ],
)
def test_a_piece_shows_the_same_frames_at_the_same_times(tmp_path, codec, container, options):
    data = encode(codec, container, count=COUNT, options=options)
    whole, film = open_bytes(data), long_video(tmp_path, data)
    assert film.frames == COUNT
    assert film.duration_s == pytest.approx(COUNT / FPS, abs=0.002)
    for start, end in [(0.0, 1.0), (0.7, 2.0), (2.5, 9.0)]:
        piece = film.cut(start, end)
        part = open_bytes(piece.data)
        assert np.diff(part.times).max() < 1.1 / FPS
        assert piece.start_s <= start
        assert piece.start_s + part.info.duration_s >= min(end, film.duration_s) - 0.001
        at = np.arange(start, min(end, film.duration_s), 1 / FPS) + 0.01
        expected = np.searchsorted(whole.times, at, side="right") - 1
        found = np.searchsorted(part.times, at - piece.start_s, side="right") - 1
        np.testing.assert_array_equal(part.read(found), whole.read(expected))
    assert len(film.cut(1.5, 2.0).data) < 0.6 * len(data)


def test_a_piece_is_found_where_seeking_fails(tmp_path, monkeypatch):
    film = long_video(tmp_path, encode(count=COUNT, gop=10))
    sought = film.cut(1.5, 2.0)
    monkeypatch.setattr(cutting, "_EARLIER_S", ())
    assert film.cut(1.5, 2.0) == sought


def test_a_turned_video_stays_turned(tmp_path):
    frames = [paint(number) for number in range(30)]
    for container in ("mp4", "matroska"):
        data = encode_frames(
            frames, container=container, prepare=lambda stream: stream.set_display_rotation(90)
        )
        piece = long_video(tmp_path, data).cut(0.6, 1.0)
        assert open_bytes(piece.data).info.shown == {"rotation": 270}


def test_stills_are_keyframes_spread_over_the_video(tmp_path):
    film = long_video(tmp_path, encode(count=COUNT, gop=10))
    times = film.key_times(4)
    assert times == pytest.approx([0.4, 1.2, 2.0, 2.8])
    for time in times:
        still = open_bytes(film.still(time).data)
        assert still.info.frame_count == 1
        assert numbers_of(still.read([0])) == [round(time * FPS)]
    assert len(film.key_times(500)) == 8


def test_pieces_are_as_long_as_their_bytes_allow(tmp_path, monkeypatch):
    data = encode(count=COUNT, gop=10)
    film = long_video(tmp_path, data)
    assert film.piece_length((4.0, 1.0)) == 4.0
    monkeypatch.setattr(cutting, "MAX_PIECE_BYTES", len(data) // 2)
    assert film.piece_length((4.0, 1.0)) == 1.0
    monkeypatch.setattr(cutting, "MAX_PIECE_BYTES", 100)
    with pytest.raises(TooLarge, match="too few keyframes"):
        film.piece_length((4.0, 1.0))


def test_one_keyframe_for_a_long_film_is_too_few(tmp_path, monkeypatch):
    film = long_video(tmp_path, encode(count=COUNT, gop=1000))
    monkeypatch.setattr(cutting, "MAX_PIECE_S", 2)
    with pytest.raises(TooLarge, match="ffmpeg -i IN -g 250"):
        film.piece_length((1.0,))


def test_what_is_no_video_is_refused(tmp_path):
    with pytest.raises(UnsupportedMedia):
        long_video(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(MalformedClip):
        long_video(tmp_path, encode(count=COUNT, gop=10)[:2000])
    with pytest.raises(InvalidRequest):
        LongVideo(tmp_path / "none.mp4")
