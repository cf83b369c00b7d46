import tracemalloc

import numpy as np
import pytest
from tests.frames import blocks

from videovisual import clips
from videovisual.clips import Sampling, windows
from videovisual.errors import ClipTooShort, InvalidParameter

FPS = 10
MODEL = Sampling(frames=8, fps=8)
"""A model whose window is one second."""


def video(seconds, fps=FPS, side=16):
    return clips.open_frames(blocks(round(seconds * fps), side, side), fps=fps)


def middles(source, found):
    """The mean time of each window's frames, at their middles."""
    gap = 0.5 / source.info.fps
    return [float(source.times[list(second.indices)].mean()) + gap for second in found]


def test_each_second_has_its_window():
    found = windows.seconds(video(3), MODEL)
    assert [(second.start_s, second.end_s) for second in found] == [(0, 1), (1, 2), (2, 3)]
    assert [(min(second.indices), max(second.indices)) for second in found] == [
        (0, 9),
        (10, 19),
        (20, 29),
    ]


def test_a_window_is_as_long_as_the_models_clip_and_centred():
    source = video(6)
    short, long = Sampling(frames=8, fps=20), Sampling(frames=8, fps=4)
    assert windows.window_length(short) == 0.4
    assert windows.window_length(long) == 2
    assert middles(source, windows.seconds(source, short)) == pytest.approx(
        [0.5, 1.5, 2.5, 3.5, 4.5, 5.5], abs=0.1
    )
    spans = [max(second.indices) - min(second.indices) for second in windows.seconds(source, long)]
    assert spans == pytest.approx([17] * 6, abs=1)


def test_at_both_ends_a_window_is_moved_inwards():
    source = video(6)
    found = windows.seconds(source, Sampling(frames=8, fps=4))
    assert middles(source, found) == pytest.approx([1, 1.5, 2.5, 3.5, 4.5, 5], abs=0.1)


def test_a_remainder_at_the_end_has_its_own_window():
    found = windows.seconds(video(2.3), MODEL)
    assert [second.end_s for second in found] == pytest.approx([1, 2, 2.3])
    assert min(found[-1].indices) == 13  # as long as the others, and not past the end
    assert max(found[-1].indices) == 22


def test_a_remainder_from_rounding_has_no_window():
    source = video(2)
    source.info.__dict__["duration_s"] = 2.0005
    assert len(windows.seconds(source, MODEL)) == 2


def test_a_model_without_a_frame_rate_sees_the_second_itself():
    found = windows.seconds(video(3), Sampling(frames=5))
    assert [second.indices for second in found] == [
        (1, 3, 5, 7, 9),
        (11, 13, 15, 17, 19),
        (21, 23, 25, 27, 29),
    ]


def test_a_range():
    found = windows.seconds(video(10), Sampling(frames=8, fps=8, start_s=2.5, end_s=4))
    assert [(second.start_s, second.end_s) for second in found] == [(2.5, 3.5), (3.5, 4)]
    assert min(found[0].indices) == 25
    assert max(found[-1].indices) == 39


def test_a_clip_shorter_than_the_window_is_its_window():
    (second,) = windows.seconds(video(0.5), Sampling(frames=5, fps=1))
    assert (second.start_s, second.end_s, second.indices) == (0, 0.5, (0, 1, 2, 3, 4))


def test_a_slow_video_may_show_few_frames_in_a_window():
    found = windows.seconds(video(5, fps=2), Sampling(frames=8, fps=8, min_frames=8))
    assert set(found[1].indices) == {2, 3}
    with pytest.raises(ClipTooShort):
        windows.seconds(video(3, fps=2), Sampling(frames=8, fps=8, min_frames=8))


def test_frames_without_time_have_no_seconds():
    with pytest.raises(InvalidParameter, match="needs frames that carry a time"):
        windows.seconds(clips.open_frames(blocks(30, 16, 16)), MODEL)


def test_a_range_that_is_too_long_is_refused():
    source = video(601, fps=2)
    with pytest.raises(InvalidParameter, match=r"601\.0 s; a timeline has at most 600 s"):
        windows.seconds(source, MODEL)
    found = windows.seconds(source, Sampling(frames=8, fps=8, end_s=600))
    assert len(found) == windows.MAX_SECONDS


def test_a_range_that_the_clip_does_not_have_is_refused():
    with pytest.raises(InvalidParameter, match="end_s must be at most"):
        windows.seconds(video(3), Sampling(frames=8, fps=8, end_s=4))


def test_reading_gives_each_window_its_frames():
    source = video(3)
    chosen = [(5, 5, 7), (6, 7, 8), (29, 0, 29)]
    for held in (1, 4 * 16 * 16 * 3, 10**9):
        for window, clip in zip(chosen, windows.read(source, chosen, held), strict=True):
            assert clip.indices == window
            assert clip.timestamps == pytest.approx([index / FPS for index in window])
            np.testing.assert_array_equal(clip.frames, source.frames[list(window)])


def test_reading_holds_no_more_than_it_may(monkeypatch):
    source = video(60)
    chosen = [second.indices for second in windows.seconds(source, MODEL)]
    reads = []
    read = source.read
    monkeypatch.setattr(source, "read", lambda wanted: reads.append(len(wanted)) or read(wanted))
    frame = 16 * 16 * 3
    assert len(list(windows.read(source, chosen, held=20 * frame))) == 60
    assert max(reads) <= 20
    assert len(reads) == 30
    assert sum(reads) == len({index for window in chosen for index in window})


def test_a_piece_is_freed_before_the_next_is_read():
    source = video(20, side=128)
    chosen = [second.indices for second in windows.seconds(source, MODEL)]
    size = source.frames[:100].nbytes
    tracemalloc.start()
    for _clip in windows.read(source, chosen, held=size):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * size  # one piece, and two windows of it


def test_nothing_is_read_before_it_is_wanted(monkeypatch):
    source = video(3)
    reads = []
    monkeypatch.setattr(
        source, "read", lambda wanted: reads.append(wanted) or source.frames[wanted]
    )
    clips_ = windows.read(source, [(0, 1), (10, 11), (20, 21)], held=1)
    next(clips_)
    assert reads == [[0, 1]]
