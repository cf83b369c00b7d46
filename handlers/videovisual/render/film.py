"""The frames that moving pictures show, each with its own time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from videovisual.clips.limits import MIB
from videovisual.clips.source import Frames, Source, Times

FALLBACK_FPS = 8.0
"""Frame rate of frames without timestamps."""

MAX_FRAMES = 900
"""Of a longer window only every n-th source frame is shown, and all frames that the model saw."""

PIECE_BYTES = 64 * MIB
"""Bytes of decoded frames held at once."""


@dataclass(frozen=True)
class Shot:
    """One frame of a film.

    Attributes:
        frame: index of the source frame.
        held: index of the map's frame that is drawn over it.
        seen: whether the model saw this source frame.
        start_s: start, in seconds from the film's first frame.
        length_s: how long it is shown, in seconds.
    """

    frame: int
    held: int
    seen: bool
    start_s: float
    length_s: float


@dataclass(frozen=True)
class Film:
    """Source frames in the order in which they are shown, decoded on demand.

    The map is held, not interpolated: a source frame that the model did not see shows the map of
    the frame nearest in time that the model did see. The method gives no values in between.

    Attributes:
        width, height: of a source frame, in pixels.
        shots: the frames, in order of their time.
        origin_s: start of the first frame, in seconds from the source's first; None for frames
            without timestamps, which are shown at 8 a second.
        read: decodes source frames by index: uint8 [N, H, W, 3].
        before_shot: called before each shot is drawn; an exception from it ends the drawing.
    """

    width: int
    height: int
    shots: tuple[Shot, ...]
    origin_s: float | None
    read: Callable[[Sequence[int]], Frames]
    before_shot: Callable[[], None] = lambda: None

    @classmethod
    def of_frames(cls, frames: Frames, timestamps: Sequence[float] | None = None) -> "Film":
        """A film of the frames that the model saw, and no others.

        Args:
            frames: uint8 [T, H, W, 3].
            timestamps: start of each frame in seconds; None for 8 frames a second. Timestamps
                that repeat are ignored.
        """
        count, height, width = frames.shape[:3]
        is_timed = timestamps is not None and len(set(timestamps)) == count
        times = np.array(timestamps, np.float64) if is_timed else None
        shots, origin = _shots(range(count), times, count)
        return cls(width, height, shots, origin, lambda chosen: frames[list(chosen)])

    @classmethod
    def of_source(cls, source: Source, facts: Mapping[str, Any]) -> "Film":
        """A film of all source frames of the window, at the source's own rate.

        Args:
            source: the clip.
            facts: the answer's `clip`; its `frame_indices` are the source frames that the model
                saw, one for each frame of the map.
        """
        info = source.info
        shots, origin = _shots(facts["frame_indices"], source.times, info.frame_count)
        return cls(info.width, info.height, shots, origin, source.read)

    @property
    def length_s(self) -> float:
        """From the start of the first frame to the end of the last, in seconds."""
        return self.shots[-1].start_s + self.shots[-1].length_s

    def thinned(self, most: int) -> "Film":
        """The same film in at most `most` frames, evenly chosen, each shown until the next."""
        if len(self.shots) <= most:
            return self
        kept = [self.shots[place * len(self.shots) // most] for place in range(most)]
        ends = [*(shot.start_s for shot in kept[1:]), self.length_s]
        shots = tuple(
            replace(shot, length_s=end - shot.start_s) for shot, end in zip(kept, ends, strict=True)
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


def _shots(
    seen: Sequence[int], times: Times | None, count: int
) -> tuple[tuple[Shot, ...], float | None]:
    """The shots of the window around the `seen` frames, and `Film.origin_s`."""
    clock = np.arange(count) / FALLBACK_FPS if times is None else times
    shown = _window(seen, count)
    starts = clock[shown]
    gaps = np.diff(starts)
    # The last frame is shown as long as the middle one of the others.
    last = np.sort(gaps)[len(gaps) // 2] if len(gaps) else 1 / FALLBACK_FPS
    seen_at = clock[list(seen)]
    places: dict[int, list[int]] = {}
    for place, index in enumerate(seen):
        places.setdefault(index, []).append(place)
    shots = []
    for frame, start, length in zip(shown, starts, [*gaps, last], strict=True):
        held = places.get(frame) or [int(np.abs(seen_at - start).argmin())]
        for turn, place in enumerate(held):
            # A frame that the model was given several times has as many maps, one by one.
            begin = float(start - starts[0] + turn * length / len(held))
            shots.append(Shot(frame, place, frame in places, begin, float(length / len(held))))
    return tuple(shots), None if times is None else float(starts[0])


def _window(seen: Sequence[int], count: int) -> list[int]:
    """The frames from half a gap before the first seen frame to half a gap after the last."""
    different = sorted(set(seen))
    gaps = np.sort(np.diff(different)) if len(different) > 1 else [1]
    margin = int(gaps[len(gaps) // 2]) // 2
    shown = range(max(0, different[0] - margin), min(count, different[-1] + margin + 1))
    every = -(-len(shown) // MAX_FRAMES)
    return sorted({*shown[::every], *different})
