"""What is shown: the source frames of the window that a model looked at, at their own times."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.clips.limits import MIB
from videovisual.clips.source import Source

Frames = npt.NDArray[np.uint8]

FALLBACK_FPS = 8.0
"""At which frames are shown that carry no time."""

MAX_FRAMES = 900
"""Of a longer window every n-th source frame is shown, besides those that the model saw."""

PIECE_BYTES = 64 * MIB
"""Decoded frames that are held at once."""


@dataclass(frozen=True)
class Shot:
    """One frame of a film.

    Attributes:
        frame: which of the source's frames it is.
        held: which of the map's frames lies over it.
        seen: whether the model saw this very frame.
        start_s: when it begins, in seconds from the film's first.
        length_s: how long it is shown.
    """

    frame: int
    held: int
    seen: bool
    start_s: float
    length_s: float


@dataclass(frozen=True)
class Film:
    """Source frames in the order in which they are shown, decoded on demand.

    The map is held, not interpolated: over a frame that the model did not see lies the map of the
    nearest frame that it did see. Between them the method says nothing, and nothing is made up.

    Attributes:
        width, height: of a source frame in pixels.
        shots: what is shown when.
        origin_s: when the film's first frame begins, in seconds from the source's first; None
            where frames carry no time, and 8 a second are shown.
        read: decodes source frames by their numbers: uint8 [N, H, W, 3].
        before_shot: called before each shot is drawn; an exception from it ends the drawing.
    """

    width: int
    height: int
    shots: tuple[Shot, ...]
    origin_s: float | None
    read: Callable[[Sequence[int]], Frames]
    before_shot: Callable[[], None] = lambda: None

    @classmethod
    def of_frames(cls, frames: Frames, timestamps: Sequence[float] | None = None) -> Film:
        """The frames that the model saw, alone.

        Args:
            frames: uint8 [T, H, W, 3].
            timestamps: when each begins, in seconds; None for 8 a second.
        """
        height, width = frames.shape[1:3]
        places = range(len(frames))
        timed = timestamps is not None and len(set(timestamps)) == len(timestamps)
        times = timestamps if timed and timestamps else [place / FALLBACK_FPS for place in places]
        lengths = _lengths(times)
        shots = tuple(
            Shot(place, place, True, times[place] - times[0], lengths[place]) for place in places
        )
        return cls(
            width, height, shots, times[0] if timed else None, lambda chosen: frames[list(chosen)]
        )

    @classmethod
    def of_source(cls, source: Source, facts: Mapping[str, Any]) -> Film:
        """All source frames of the window, at the source's own rate.

        Args:
            source: the clip.
            facts: `frame_indices` of the frames that the model saw, one a frame of the map.
        """
        seen: list[int] = list(facts["frame_indices"])
        times = source.times
        clock = np.arange(source.info.frame_count) / FALLBACK_FPS if times is None else times
        shown = _window(seen, source.info.frame_count)
        lengths = _lengths([float(clock[frame]) for frame in shown])
        origin = float(clock[shown[0]])
        shots: list[Shot] = []
        for frame, length in zip(shown, lengths, strict=True):
            held = _held(frame, seen, clock)
            for turn, place in enumerate(held):
                # A frame that the model was given several times has as many maps, one by one.
                start = float(clock[frame]) - origin + turn * length / len(held)
                shots.append(Shot(frame, place, seen[place] == frame, start, length / len(held)))
        info = source.info
        return cls(
            info.width, info.height, tuple(shots), None if times is None else origin, source.read
        )

    @property
    def length_s(self) -> float:
        """From the start of the first frame to the end of the last, in seconds."""
        return self.shots[-1].start_s + self.shots[-1].length_s

    def thinned(self, most: int) -> Film:
        """The same film in at most `most` frames, evenly chosen, each shown until the next."""
        if len(self.shots) <= most:
            return self
        kept = [self.shots[place * len(self.shots) // most] for place in range(most)]
        ends = [*(shot.start_s for shot in kept[1:]), self.length_s]
        shots = tuple(
            Shot(shot.frame, shot.held, shot.seen, shot.start_s, end - shot.start_s)
            for shot, end in zip(kept, ends, strict=True)
        )
        return replace(self, shots=shots)

    def play(self, held: int = PIECE_BYTES) -> Iterator[tuple[Shot, Frames]]:
        """Each shot with its frame, uint8 [H, W, 3]; at most `held` bytes are decoded at once.

        Raises:
            TooLarge, MalformedClip: as `Source.read`.
        """
        piece = max(1, held // (3 * self.width * self.height))
        for start in range(0, len(self.shots), piece):
            shots = self.shots[start : start + piece]
            frames = self.read([shot.frame for shot in shots])
            for shot, frame in zip(shots, frames, strict=True):
                self.before_shot()
                yield shot, frame


def _window(seen: Sequence[int], count: int) -> list[int]:
    """The frames from half a gap before the first that was seen to half a gap after the last."""
    different = sorted(set(seen))
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(different)) or [1]
    margin = gaps[len(gaps) // 2] // 2
    shown = range(max(0, different[0] - margin), min(count, different[-1] + margin + 1))
    every = -(-len(shown) // MAX_FRAMES)
    return sorted({*shown[::every], *different})


def _held(frame: int, seen: Sequence[int], clock: npt.NDArray[np.float64]) -> list[int]:
    """The map's frames over a source frame: its own, or the nearest one in time."""
    own = [place for place, index in enumerate(seen) if index == frame]
    if own:
        return own
    return [min(range(len(seen)), key=lambda place: abs(clock[seen[place]] - clock[frame]))]


def _lengths(times: Sequence[float]) -> list[float]:
    """How long each frame is shown; the last as long as the middle one of the others."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return [*gaps, sorted(gaps)[len(gaps) // 2] if gaps else 1 / FALLBACK_FPS]
