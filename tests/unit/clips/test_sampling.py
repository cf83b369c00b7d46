import math

import numpy as np
import pytest
from tests.unit.clips.makers import numbers_of, paint

from videovisual.clips import Sampling, Source, open_frames, plan, sample
from videovisual.errors import ClipTooShort, InvalidParameter


def even(count, fps=25.0):
    return np.arange(count) / fps


def shown(times, instant):
    """The definition: the last frame that has begun."""
    return max(index for index, time in enumerate(times) if time <= instant + 1e-9)


@pytest.mark.parametrize("frames", [1, 5, 16, 40])
def test_as_many_frames_as_there_are_takes_each_once(frames):
    assert plan(None, frames, Sampling(frames, min_frames=1)) == [list(range(frames))]
    assert plan(even(frames), frames, Sampling(frames, min_frames=1)) == [list(range(frames))]


@pytest.mark.parametrize(("count", "frames"), [(300, 16), (7, 16), (10, 4), (32, 16), (101, 32)])
def test_even_spread_by_number(count, frames):
    expected = [math.floor((k + 0.5) * count / frames) for k in range(frames)]
    assert plan(None, count, Sampling(frames)) == [expected]
    assert plan(None, count, Sampling(frames, fps=12.5)) == [expected]


@pytest.mark.parametrize("fps", [25.0, 29.97, 30.0, 60.0, 1000.0])
@pytest.mark.parametrize(("count", "frames"), [(300, 16), (7, 16), (32, 16), (101, 32)])
def test_even_spread_by_time_of_evenly_timed_frames(count, frames, fps):
    expected = [math.floor((k + 0.5) * count / frames) for k in range(frames)]
    assert plan(even(count, fps), count, Sampling(frames)) == [expected]


def test_rate_takes_a_centred_window():
    # 16 frames at 12.5 a second are 1.28 s, in the middle of 4 s: from 1.36 s, which is frame 34.
    (view,) = plan(even(100), 100, Sampling(16, fps=12.5))
    assert view == list(range(35, 67, 2))


def test_rate_above_the_source_repeats_frames():
    (view,) = plan(even(100), 100, Sampling(8, fps=50.0))
    assert view == [48, 48, 49, 49, 50, 50, 51, 51]


def test_window_longer_than_the_clip_is_spread_over_it():
    assert plan(even(20), 20, Sampling(16, fps=5.0)) == plan(even(20), 20, Sampling(16))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("fps", [None, 7.0, 40.0])
def test_irregular_times_take_the_frame_shown(seed, fps):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.2, 50))
    times -= times[0]
    end = times[-1] + 0.1
    start_s, end_s = 0.3, end - 0.4
    (view,) = plan(times, 50, Sampling(12, fps, start_s, end_s), end)
    length = end_s - start_s if fps is None else min(12 / fps, end_s - start_s)
    begin = (start_s + end_s - length) / 2
    instants = begin + (np.arange(12) + 0.5) * length / 12
    assert view == [shown(times, instant) for instant in instants]


def test_last_frame_is_shown_until_the_clip_ends():
    times = np.array([0.0, 1.0, 2.0])
    assert plan(times, 3, Sampling(6)) == [[0, 0, 1, 1, 2, 2]]
    assert plan(times, 3, Sampling(6), duration_s=6.0) == [[0, 1, 2, 2, 2, 2]]


def test_range_bounds_the_frames():
    assert plan(even(100), 100, Sampling(5, start_s=1.0, end_s=1.2)) == [[25, 26, 27, 28, 29]]
    (view,) = plan(even(100), 100, Sampling(200, start_s=1.0, end_s=1.2))
    assert (min(view), max(view)) == (25, 29)


def test_views_split_the_range():
    assert plan(None, 12, Sampling(3, views=2)) == [[1, 3, 5], [7, 9, 11]]
    assert plan(even(12), 12, Sampling(3, views=2)) == [[1, 3, 5], [7, 9, 11]]


def test_views_at_a_rate_lie_evenly():
    views = plan(even(100), 100, Sampling(5, fps=25.0, views=3))
    starts = [view[0] for view in views]
    assert [view[-1] - view[0] for view in views] == [4, 4, 4]
    assert starts[1] == 48
    assert starts[1] - starts[0] == pytest.approx(starts[2] - starts[1], abs=1)
    assert starts[1] - starts[0] == pytest.approx(95 / 3, abs=1)


@pytest.mark.parametrize(
    ("times", "count", "sampling", "found"),
    [
        (None, 1, Sampling(8), 1),
        (even(1), 1, Sampling(8), 1),
        (even(7), 7, Sampling(8, min_frames=8), 7),
        (even(100), 100, Sampling(8, start_s=1.0, end_s=1.1, min_frames=4), 3),
        (even(100), 100, Sampling(8, start_s=1.0, end_s=1.03), 1),
    ],
)
def test_too_few_frames(times, count, sampling, found):
    with pytest.raises(ClipTooShort, match=str(sampling.min_frames)) as raised:
        plan(times, count, sampling)
    assert raised.value.detail == {"found": found, "min_frames": sampling.min_frames}


@pytest.mark.parametrize(
    "fields",
    [
        {"frames": 0},
        {"frames": 8, "views": 0},
        {"frames": 8, "min_frames": 0},
        {"frames": 200, "views": 200},
        {"frames": 8, "fps": 0.0},
        {"frames": 8, "fps": math.nan},
        {"frames": 8, "start_s": -0.1},
        {"frames": 8, "start_s": math.nan},
        {"frames": 8, "end_s": math.inf},
        {"frames": 8, "end_s": 0.0, "start_s": 0.0},
        {"frames": 8, "start_s": 2.0, "end_s": 1.0},
    ],
)
def test_values_that_never_fit(fields):
    with pytest.raises(InvalidParameter, match="must be"):
        Sampling(**fields)


@pytest.mark.parametrize("fields", [{"end_s": 4.1}, {"start_s": 4.0}, {"start_s": 9.0}])
def test_range_past_the_end_names_the_end(fields):
    with pytest.raises(InvalidParameter, match=r"4\.000"):
        plan(even(100), 100, Sampling(8, **fields))


def test_end_may_be_rounded_up():
    times = even(299, 29.97)
    end = round(299 / 29.97, 3)
    assert end > 299 / 29.97
    assert plan(times, 299, Sampling(8, end_s=end)) == plan(times, 299, Sampling(8))


def test_range_needs_times():
    with pytest.raises(InvalidParameter, match="carry a time"):
        plan(None, 100, Sampling(8, start_s=1.0))


class Counting(Source):
    """Frames painted on demand; counts how often decoding begins."""

    passes = 0

    def _decode(self, wanted):
        self.passes += 1
        for index in wanted:
            yield index, paint(index, self.info.width, self.info.height)


@pytest.fixture
def source(frames):
    opened = open_frames(frames, fps=4.0)
    return Counting(opened.info, opened.times, opened.limits)


def test_all_views_are_decoded_in_one_pass(source):
    clips = sample(source, Sampling(4, views=3))
    assert source.passes == 1
    assert [clip.indices for clip in clips] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)]
    assert [numbers_of(clip.frames) for clip in clips] == [list(clip.indices) for clip in clips]


def test_clip_tells_where_its_frames_are_from(source):
    (clip,) = sample(source, Sampling(3, start_s=0.5, end_s=2.0))
    assert clip.indices == (3, 5, 7)
    assert clip.timestamps == (0.75, 1.25, 1.75)
    assert clip.source is source.info
    assert clip.frames.shape == (3, 48, 64, 3)
    assert clip.frames.dtype == np.uint8


def test_untimed_clip_has_no_timestamps(frames):
    (clip,) = sample(open_frames(frames), Sampling(4))
    assert clip.timestamps is None
