"""The clips of the measurement: real ones for I3D, Motion's held-out ones for the small models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo import CLIP, CLIP_SHA256, cut_shot

from videovisual import motion
from videovisual.faithfulness import Evidence
from videovisual.pipeline.preprocessing import ClipLike, PreparedClip, read, sampling
from videovisual.protocol import Options
from videovisual.zoo import Classifier
from videovisual_archive import fetch

DEMO_LABEL = "riding mountain bike"


@dataclass(frozen=True)
class Material:
    """A clip and what is known of it.

    Attributes:
        name: in the results.
        clip: as `videovisual.explain` takes it.
        label: the true class, where the model has one for it.
        evidence: bool [T, H, W] of the source's frames, where it is known.
    """

    name: str
    clip: ClipLike
    label: str | None
    evidence: Evidence | None = None

    def prepare(self, classifier: Classifier, frames: int) -> PreparedClip:
        """The network's input with that many frames."""
        return read(classifier, self.clip, sampling(classifier.card, Options(frames=frames)))

    def seen(self, prepared: PreparedClip) -> Evidence | None:
        """The evidence of the network's frames."""
        if self.evidence is None:
            return None
        return self.evidence[list(prepared.facts["frame_indices"])]


def real(work: Path, folder: Path | None, labels: tuple[str, ...]) -> Iterator[Material]:
    """The demo's clip, cut into `work`, and a folder of clips that are named `CLASS-…`."""
    demo = cut_shot(fetch(CLIP, CLIP_SHA256), work / "demo.mp4")
    yield Material("cyclist", demo, DEMO_LABEL)
    for path in sorted(folder.iterdir()) if folder is not None else ():
        name = path.name.partition("-")[0]
        yield Material(name, path, name if name in labels else None)


def synthetic(count: int) -> Iterator[Material]:
    """Motion's first held-out clips."""
    for index in range(count):
        sample = motion.sample(index)
        yield Material(
            f"motion {index}", sample.frames, motion.LABELS[sample.label], sample.evidence
        )
