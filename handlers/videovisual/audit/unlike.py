"""The clips of a data set that are most unlike their class."""

from dataclasses import dataclass

import numpy as np

from videovisual.audit.tally import NONE, Tally

LEAST = 5
"""Fewer clips make no class to be unlike."""

MOST = 12
"""Clips that are listed."""


@dataclass(frozen=True)
class Unlike:
    """A clip, and how unlike its class it is.

    Attributes:
        clip: its number in the tally.
        group: index of its class: of its label, or of its answer without one.
        times: its distance from the class's mean, over the median distance of the class's clips.
            The distance is between profiles: what the model answers, and where the evidence lies.
    """

    clip: int
    group: int
    times: float


def most_unlike(tally: Tally, most: int = MOST) -> list[Unlike]:
    """The clips most unlike their class, the most unlike first."""
    groups = np.array(
        [
            answer if label == NONE else label
            for label, answer in zip(tally.labels, tally.answers, strict=True)
        ]
    )
    found = []
    for group in np.unique(groups):
        clips = np.flatnonzero(groups == group)
        if len(clips) < LEAST:
            continue
        profiles = np.stack([tally.profiles[clip] for clip in clips])
        distances = np.linalg.norm(profiles - profiles.mean(axis=0), axis=1)
        usual = float(np.median(distances))
        if usual == 0:
            continue
        found += [
            Unlike(int(clip), int(group), float(distance / usual))
            for clip, distance in zip(clips, distances, strict=True)
        ]
    return sorted(found, key=lambda each: -each.times)[:most]
