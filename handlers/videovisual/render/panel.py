"""One explanation to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videovisual.clips.source import Source
from videovisual.protocol import Answer
from videovisual.protocol.caveats import doubts
from videovisual.render.film import Film
from videovisual.saliency import Saliency

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """One saliency to be drawn over its source frames.

    Attributes:
        saliency: what is drawn.
        frames: uint8 [T, H, W, 3], the source frames that the map's frames belong to.
        caption: what stands above it.
        detail: what stands under the caption, smaller.
        film: what moving pictures show; by default `frames`.
        doubts: why the map may mislead, in sentences.
    """

    saliency: Saliency
    frames: Frames
    caption: str
    detail: str = ""
    film: Film | None = None
    doubts: tuple[str, ...] = ()

    @property
    def shown(self) -> Film:
        """What moving pictures show."""
        times = self.saliency.provenance.get("timestamps")
        return self.film or Film.of_frames(self.frames, times)


def panels(
    answer: Answer,
    saliencies: Sequence[Saliency],
    frames: Frames,
    source: Source | None = None,
) -> list[Panel]:
    """One panel a saliency of the answer.

    Args:
        answer: with one explanation a saliency.
        saliencies: the maps.
        frames: uint8 [T, H, W, 3], the frames that the model saw.
        source: where they come from, so that moving pictures show all frames between them too.
    """
    film = None if source is None else Film.of_source(source, answer.clip)
    drawn = []
    for saliency, explanation in zip(saliencies, answer.explanations, strict=True):
        target = explanation.target
        drawn.append(
            Panel(
                saliency,
                frames,
                f"{explanation.method}: {target.label}",
                f"{answer.model} gives it {100 * target.probability:.1f}%",
                film,
                tuple(doubts(explanation)),
            )
        )
    return drawn
