"""A panel: one explanation to be drawn."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from videovisual.clips.source import Frames, Source
from videovisual.protocol import Answer
from videovisual.protocol.caveats import caveats
from videovisual.render.film import Film
from videovisual.render.heat import Heat
from videovisual.saliency import Map, Saliency


@dataclass(frozen=True)
class Panel:
    """One saliency to be drawn over its source frames.

    Attributes:
        saliency: the map, float32 [T, h, w].
        frames: uint8 [T, H, W, 3], the source frames that the map's frames belong to.
        caption: the title.
        detail: smaller text below the caption.
        film: what moving pictures show; `frames` if None.
        doubts: the caveats: sentences that say why the map may mislead.
    """

    saliency: Saliency
    frames: Frames
    caption: str
    detail: str = ""
    film: Film | None = None
    doubts: tuple[str, ...] = ()

    @cached_property
    def heat(self) -> Heat:
        """The map prepared for drawing."""
        return Heat.of(self.saliency)

    @cached_property
    def curve(self) -> Map:
        """Each frame's share of the saliency, float32 [T], at the network's own resolution in time.

        Frames that its first layer moves over at once have their mean share: what differs between
        them is the network's grid.
        """
        shares = self.saliency.curve()
        stride = self.saliency.provenance.get("temporal_stride") or 1
        starts = np.arange(0, len(shares), stride)
        sizes = np.diff(np.append(starts, len(shares)))
        means: Map = np.repeat(np.add.reduceat(shares, starts) / sizes, sizes).astype(np.float32)
        return means

    @property
    def numbers(self) -> Sequence[int]:
        """The number in the clip of each of the map's frames."""
        found: Sequence[int] | None = self.saliency.provenance.get("frame_indices")
        return range(len(self.frames)) if found is None else found

    @property
    def clock(self) -> list[float]:
        """When each frame is, in seconds; without timestamps its number, and repeats of one number
        share its place."""
        times: Sequence[float] | None = self.saliency.provenance.get("timestamps")
        if times:
            return list(times)
        seen = Counter(self.numbers)
        turns: Counter[int] = Counter()
        clock = []
        for number in self.numbers:
            clock.append(number + turns[number] / seen[number])
            turns[number] += 1
        return clock

    @property
    def shown(self) -> Film:
        """What moving pictures show."""
        times = self.saliency.provenance.get("timestamps")
        return self.film or Film.of_frames(self.frames, times)


def panels(
    answer: Answer, saliencies: Sequence[Saliency], frames: Frames, source: Source | None = None
) -> list[Panel]:
    """Make one panel for each explanation of an answer.

    Args:
        answer: the answer to an explain request.
        saliencies: the maps, float32 [T, h, w], one for each of `answer.explanations`.
        frames: uint8 [T, H, W, 3], RGB, the frames that the model saw.
        source: the clip that the frames come from. With it moving pictures show all frames of
            the window; without it, only `frames`.

    Raises:
        ValueError: the numbers of saliencies and explanations differ.
    """
    film = None if source is None else Film.of_source(source, answer.clip)
    return [
        Panel(
            saliency,
            frames,
            f"{explanation.method}: {explanation.target.label}",
            f"{answer.model} gives it {explanation.target.score}",
            film,
            tuple(caveats(explanation)),
        )
        for saliency, explanation in zip(saliencies, answer.explanations, strict=True)
    ]
