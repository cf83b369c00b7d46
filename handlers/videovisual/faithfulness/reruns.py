"""Stability: whether a method gives the same map for a clip that looks the same.

Maps that change with noise that no one sees: Ghorbani, Abid & Zou 2019, arXiv 1710.10547; Yeh et
al. 2019, arXiv 1901.09392.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from videovisual.attribution.method import Case
from videovisual.engine.probe import Attribution, Work
from videovisual.faithfulness.ranks import correlation, overlap
from videovisual.faithfulness.sufficiency import AREA
from videovisual.saliency import Map, Saliency

NOISE = 1e-4
"""Standard deviation of the noise, as a share of the range from black to white; an 8-bit step is 40
times as much."""

Attribute = Callable[[torch.Tensor, int], Attribution]
"""A method on a prepared clip [3, T, H, W] with a seed."""

Shift = tuple[int, int, int]
"""Frames, rows and columns by which a clip is moved."""

CONSTANT = "a map is the same everywhere"
ONE_FRAME = "the clip has one frame"


@dataclass(frozen=True)
class Agreement:
    """How alike two maps are.

    Attributes:
        correlation: Pearson's, -1 to 1; None where a map is constant.
        overlap: intersection over union of their highest pixels, 0 to 1.
    """

    correlation: float | None
    overlap: float


@dataclass(frozen=True)
class Change:
    """A change of the input that should not change the map.

    Attributes:
        noise: standard deviation of noise, as a share of the range from black to white.
        shift: by how much the clip is moved; the map is moved back before it is compared.
        seed: what is added to the method's seed.
    """

    noise: float = 0.0
    shift: Shift = (0, 0, 0)
    seed: int = 0


CHANGES: Mapping[str, Change] = {
    "noise": Change(noise=NOISE),
    "frame": Change(shift=(1, 0, 0)),
    "pixels": Change(shift=(0, 2, 2)),
    "seed": Change(seed=1),
}
"""By name; a method runs once for each."""


@dataclass(frozen=True)
class Stability:
    """A map's agreement with those of changed inputs, by the name of the change; see `CHANGES`.

    Attributes:
        found: the agreements; a clip of one frame isn't moved by a frame.
        undefined: measures without a value, and why.
    """

    found: Mapping[str, Agreement]
    undefined: Mapping[str, str]

    def to_json(self) -> dict[str, float | None]:
        """The least correlation and overlap, and those of each change."""
        facts: dict[str, float | None] = {}
        for name, agreement in self.found.items():
            facts[f"stability_{name}"] = agreement.correlation
            facts[f"stability_{name}_overlap"] = agreement.overlap
        known = [each.correlation for each in self.found.values() if each.correlation is not None]
        least = min(known) if len(known) == len(self.found) else None
        overlaps = min(each.overlap for each in self.found.values())
        return {"stability": least, "stability_overlap": overlaps, **facts}


def stability(
    case: Case, saliency: Saliency, attribute: Attribute, area: float = AREA
) -> Work[Stability]:
    """Run a method again on inputs that look the same, and compare its maps.

    Args:
        case: the clip that was explained, and its seed.
        saliency: its map.
        attribute: the method that made it.
        area: the share of highest pixels whose overlap is measured.
    """
    frames = case.clip.shape[1]
    changes = {name: each for name, each in CHANGES.items() if each.shift[0] < frames}
    found: dict[str, Agreement] = {}
    for number, (name, change) in enumerate(changes.items()):
        work = attribute(_changed(case, change), case.seed + change.seed)
        other = yield from _again(work, number, len(changes))
        first, second = _in_common(saliency.map, other.map, change.shift)
        found[name] = Agreement(correlation(first, second), overlap(first, second, area))
    undefined = {
        f"stability_{name}": CONSTANT for name, each in found.items() if each.correlation is None
    }
    if undefined:
        undefined["stability"] = CONSTANT
    left_out = {f"stability_{name}": ONE_FRAME for name in CHANGES if name not in found}
    return Stability(found, {**undefined, **left_out})


def shifted(clip: torch.Tensor, shift: Shift) -> torch.Tensor:
    """A clip [3, T, H, W] moved towards later frames, down and right; its borders are repeated."""
    for axis, distance in enumerate(shift, start=1):
        places = torch.arange(clip.shape[axis], device=clip.device) - distance
        clip = clip.index_select(axis, places.clamp(min=0))
    return clip


def _changed(case: Case, change: Change) -> torch.Tensor:
    clip = shifted(case.clip, change.shift)
    if not change.noise:
        return clip
    generator = torch.Generator().manual_seed(case.seed)
    noise = torch.randn(clip.shape, generator=generator).to(clip.device)
    black, white = case.flat(0.0), case.flat(1.0)
    noisy = clip + change.noise * (white - black) * noise
    # No brighter than white where the clip isn't: a function of scores may refuse such values.
    return noisy.clamp(torch.minimum(clip, black), torch.maximum(clip, white))


def _in_common(first: Map, second: Map, shift: Shift) -> tuple[Map, Map]:
    """The places that both maps have, of which the second is that of the moved clip."""
    frames, rows, columns = shift
    depth, height, width = first.shape
    return (
        first[: depth - frames, : height - rows, : width - columns],
        second[frames:, rows:, columns:],
    )


def _again(work: Attribution, number: int, runs: int) -> Attribution:
    """Run `number` of `runs` of a method; the progress is that of all.

    A partial map would be that of a changed clip, so none is offered.
    """
    try:
        probe = next(work)
        while True:
            progress = probe.progress
            if progress is not None:
                step, of = number * progress.of + progress.step, runs * progress.of
                progress = replace(progress, step=step, of=of, partial=None)
            probe = work.send((yield replace(probe, progress=progress)))
    except StopIteration as stop:
        saliency: Saliency = stop.value
        return saliency
    finally:
        work.close()
