"""Moments of a map: the frames that it can't tell apart, and their names."""

from videovisual.protocol import Explanation
from videovisual.protocol.caveats import time_cells

Moment = tuple[int, int]
"""The first and the last of a map's frames."""


def moments(explanation: Explanation) -> list[Moment]:
    """All moments that a map tells apart, in order; each frame is in one of them."""
    return [_moment(explanation, cell) for cell in range(time_cells(explanation))]


def moment_of(explanation: Explanation, frame: int) -> Moment:
    """The moment that a map's frame belongs to."""
    return _moment(explanation, frame * time_cells(explanation) // explanation.map.shape[0])


def _moment(explanation: Explanation, cell: int) -> Moment:
    frames, cells = explanation.map.shape[0], time_cells(explanation)
    return -(-cell * frames // cells), -(-(cell + 1) * frames // cells) - 1


def frames_named(explanation: Explanation, moment: Moment) -> str:
    """The numbers of a moment's frames in the clip: `frame 5`, or `frames 5 to 7`."""
    numbers = explanation.provenance.get("frame_indices")
    first, last = moment if numbers is None else (numbers[moment[0]], numbers[moment[1]])
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def seconds_named(explanation: Explanation, moment: Moment) -> str | None:
    """When a moment's first and last frame begin: `0.32 to 0.60 s`; None for untimed frames."""
    times = explanation.provenance.get("timestamps")
    if not times:
        return None
    first, last = (f"{times[frame]:.2f}" for frame in moment)
    return f"{first} s" if first == last else f"{first} to {last} s"
