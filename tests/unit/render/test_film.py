from __future__ import annotations

import numpy as np
import pytest
from tests.frames import blocks

from videovisual import clips
from videovisual.render import Film
from videovisual.render.film import MAX_FRAMES


def film(count: int, seen: list[int], fps: float | None = 25.0) -> Film:
    source = clips.open_frames(blocks(count, 16, 16), fps)
    return Film.of_source(source, {"frame_indices": seen})


def test_all_source_frames_of_the_window_are_shown_at_their_own_times() -> None:
    made = film(40, [10, 14, 18, 22])
    assert [shot.frame for shot in made.shots] == list(range(8, 25))
    assert made.origin_s == pytest.approx(8 / 25)
    assert [shot.start_s for shot in made.shots] == pytest.approx([n / 25 for n in range(17)])
    assert made.length_s == pytest.approx(17 / 25)


def test_the_map_is_held_to_the_nearest_frame_that_was_seen() -> None:
    made = film(40, [10, 14, 18, 22])
    held = {shot.frame: shot.held for shot in made.shots}
    assert [held[frame] for frame in (8, 10, 11, 13, 14, 17, 22, 24)] == [0, 0, 0, 1, 1, 2, 3, 3]
    assert [shot.frame for shot in made.shots if shot.seen] == [10, 14, 18, 22]


def test_a_frame_given_twice_shows_each_of_its_maps_in_its_time() -> None:
    made = film(3, [0, 0, 1, 2, 2])
    assert [(shot.frame, shot.held) for shot in made.shots] == [
        (0, 0), (0, 1), (1, 2), (2, 3), (2, 4),
    ]  # fmt: skip
    assert [shot.start_s for shot in made.shots] == pytest.approx([0, 0.02, 0.04, 0.08, 0.1])
    assert made.length_s == pytest.approx(0.12)


def test_frames_without_time_are_shown_eight_a_second() -> None:
    made = film(6, [0, 2, 4], fps=None)
    assert made.origin_s is None
    assert [shot.start_s for shot in made.shots] == [n / 8 for n in range(6)]


def test_a_long_window_is_thinned_but_keeps_what_the_model_saw() -> None:
    seen = [7, 1501, 2999]
    made = film(3000, seen)
    frames = [shot.frame for shot in made.shots]
    assert len(frames) <= MAX_FRAMES + len(seen)
    assert set(seen) <= set(frames)
    starts = np.diff([shot.start_s for shot in made.shots])
    assert starts == pytest.approx([shot.length_s for shot in made.shots[:-1]])


def test_a_thinned_film_keeps_its_length() -> None:
    made = film(40, list(range(40))).thinned(7)
    assert len(made.shots) == 7
    assert made.length_s == pytest.approx(40 / 25)
    assert sum(shot.length_s for shot in made.shots) == pytest.approx(40 / 25)


def test_playing_decodes_a_piece_at_a_time_and_the_right_frames() -> None:
    frames = blocks(20, 16, 16)
    asked: list[int] = []
    made = Film.of_frames(frames)

    def read(indices: object) -> np.ndarray:
        chosen = list(indices)  # type: ignore[call-overload]
        asked.append(len(chosen))
        return frames[chosen]

    counted = Film(made.width, made.height, made.shots, None, read)
    played = [frame for _, frame in counted.play(held=3 * 16 * 16 * 6)]
    np.testing.assert_array_equal(np.stack(played), frames)
    assert asked == [6, 6, 6, 2]
