"""Probes in pieces, and the batches that pieces of several probes form."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from videovisual.engine.attention import Attention
from videovisual.engine.probe import NetworkFunction, Objective, Probe, Reading
from videovisual.errors import VideoVisualError

Clips = tuple[torch.Tensor, torch.Tensor | None]
"""Clips [N, 3, T, H, W] and their targets [N]."""

TENSORS = ("logits", "gradient", "activation", "activation_gradient", "applied")
"""The fields of a reading that hold one row a clip."""


@dataclass(frozen=True)
class Kind:
    """The kind of a pass. Only probes of one kind share a pass.

    Attributes:
        shape: of one clip, (3, T, H, W).
        dtype: of the clip's values.
        objective, gradient, layer, attention, folded, reduced_precision: as in `Probe`.
        apply: as in `Probe`; a probe that has one shares its pass with no other.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    objective: Objective = Objective.LOGIT
    gradient: bool = False
    layer: str | None = None
    attention: Attention | None = None
    folded: bool = False
    reduced_precision: bool = False
    apply: NetworkFunction | None = None

    @classmethod
    def of(cls, probe: Probe) -> "Kind":
        """The kind of a probe. A probe without targets asks for logits only."""
        scores = cls(tuple(probe.clips.shape[1:]), probe.clips.dtype)
        if probe.targets is None:
            return scores
        if probe.apply is not None:
            return replace(scores, apply=probe.apply)
        if not probe.differentiates:
            return scores
        settings = (probe.objective, probe.gradient, probe.layer, probe.attention)
        return cls(scores.shape, scores.dtype, *settings, probe.folded, probe.reduced_precision)

    @property
    def name(self) -> str:
        """`scores`, `gradient`, `layer`, `attention` or `apply`."""
        if self.apply is not None:
            return "apply"
        if self.attention is not None:
            return "attention"
        if self.layer is not None:
            return "layer"
        return "gradient" if self.gradient else "scores"

    @property
    def cost_key(self) -> tuple[Any, ...]:
        """Everything that the time and memory of a pass depend on."""
        settings = (self.layer, self.attention, self.reduced_precision)
        return (self.name, self.shape, self.dtype, *settings)


class Pending:
    """A probe whose clips are read piece by piece.

    Raises:
        VideoVisualError: the probe has no clips.
    """

    def __init__(self, probe: Probe) -> None:
        if not len(probe.clips):
            raise VideoVisualError("A probe needs at least one clip.")
        self.probe = probe
        self.kind = Kind.of(probe)
        self._parts: list[Reading] = []
        self._done = 0

    @property
    def remaining(self) -> int:
        """The number of clips that are still to be read."""
        return len(self.probe.clips) - self._done

    def piece(self, count: int) -> Clips:
        """The next `count` clips and their targets."""
        part = slice(self._done, self._done + count)
        targets = self.probe.targets
        return self.probe.clips[part], None if targets is None else targets[part]

    def add(self, reading: Reading) -> Reading | None:
        """Add the reading of a piece. Returns the whole reading after the last piece."""
        self._parts.append(reading)
        self._done += len(reading.logits)
        return join(self._parts) if not self.remaining else None


def gather(pieces: Sequence[Clips], device: torch.device) -> Clips:
    """Concatenate several pieces on a device."""
    clips = [piece.to(device) for piece, _ in pieces]
    targets = [piece.to(device) for _, piece in pieces if piece is not None]
    if len(pieces) == 1:
        return clips[0], targets[0] if targets else None
    return torch.cat(clips), torch.cat(targets) if targets else None


def join(parts: Sequence[Reading]) -> Reading:
    """Concatenate the readings of consecutive clips."""
    if len(parts) == 1:
        return parts[0]
    joined: dict[str, Any] = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in TENSORS
        if getattr(parts[0], name) is not None
    }
    if parts[0].attention is not None:
        layers = zip(*(part.attention or () for part in parts), strict=True)
        joined["attention"] = tuple(torch.cat(layer) for layer in layers)
    return replace(parts[0], **joined)


def split(reading: Reading, counts: Sequence[int]) -> list[Reading]:
    """Split a reading into readings of `counts` clips: the inverse of `join`."""
    if len(counts) == 1:
        return [reading]
    # Copies, because a view would keep the other jobs' values alive.
    columns: dict[str, list[Any]] = {
        name: [part.clone() for part in tensor.split(list(counts))]
        for name in TENSORS
        if (tensor := getattr(reading, name)) is not None
    }
    if reading.attention is not None:
        layers = [torch.split(layer, list(counts)) for layer in reading.attention]
        columns["attention"] = [
            tuple(layer[number].clone() for layer in layers) for number in range(len(counts))
        ]
    return [
        replace(reading, **{name: column[number] for name, column in columns.items()})
        for number in range(len(counts))
    ]
