"""Probes read piece by piece, and the pieces that share a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from videovisual.engine.probe import Application, Objective, Probe, Reading
from videovisual.errors import VideoVisualError

Clips = tuple[torch.Tensor, torch.Tensor | None]
"""Clips [N, 3, T, H, W] and their targets [N]."""


@dataclass(frozen=True)
class Kind:
    """What probes must have in common to share a pass.

    Attributes:
        shape: of one clip, (3, T, H, W).
        dtype: of its values.
        objective, gradient, layer, quick, lowered: as of the probe.
        apply: as of the probe; one that has it never shares.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    objective: Objective = Objective.LOGIT
    gradient: bool = False
    layer: str | None = None
    quick: bool = False
    lowered: bool = False
    apply: Application | None = None

    @classmethod
    def of(cls, probe: Probe) -> Kind:
        """The kind of a probe; what is asked for beside logits counts only with targets."""
        shape, dtype = tuple(probe.clips.shape[1:]), probe.clips.dtype
        if probe.targets is None:
            return cls(shape, dtype)
        if probe.apply is not None:
            return cls(shape, dtype, apply=probe.apply)
        if not probe.differentiates:
            return cls(shape, dtype)
        return cls(
            shape, dtype, probe.objective, probe.gradient, probe.layer, probe.quick, probe.lowered
        )

    @property
    def name(self) -> str:
        """What the pass is called: `scores`, `gradient`, `layer` or `apply`."""
        if self.apply is not None:
            return "apply"
        if self.layer is not None:
            return "layer"
        return "gradient" if self.gradient else "scores"

    @property
    def price(self) -> tuple[Any, ...]:
        """What a pass's time and memory depend on."""
        return (self.name, self.shape, self.dtype, self.layer, self.lowered)


class Pending:
    """A probe under way: its clips go out in pieces, their readings are joined at the end.

    Raises:
        VideoVisualError: a probe without clips.
    """

    def __init__(self, probe: Probe) -> None:
        if not len(probe.clips):
            raise VideoVisualError("A probe needs at least one clip.")
        self.probe = probe
        self.kind = Kind.of(probe)
        self._parts: list[Reading] = []
        self._done = 0

    @property
    def left(self) -> int:
        """How many clips are still to be read."""
        return len(self.probe.clips) - self._done

    def piece(self, count: int) -> Clips:
        """The next `count` clips and their targets."""
        end = self._done + count
        targets = self.probe.targets
        return (
            self.probe.clips[self._done : end],
            None if targets is None else targets[self._done : end],
        )

    def give(self, reading: Reading) -> Reading | None:
        """Take the reading of a piece; the probe's whole reading if that was the last one."""
        self._parts.append(reading)
        self._done += len(reading.logits)
        return join(self._parts) if not self.left else None


def gather(pieces: Sequence[Clips], device: torch.device) -> Clips:
    """Several pieces as one, on a device."""
    clips = [piece.to(device) for piece, _ in pieces]
    targets = [piece.to(device) for _, piece in pieces if piece is not None]
    if len(pieces) == 1:
        return clips[0], targets[0] if targets else None
    return torch.cat(clips), torch.cat(targets) if targets else None


def join(parts: Sequence[Reading]) -> Reading:
    """The readings of consecutive clips as one."""
    if len(parts) == 1:
        return parts[0]

    def cat(tensors: list[torch.Tensor | None]) -> torch.Tensor | None:
        present = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(present) if present else None

    return Reading(
        torch.cat([part.logits for part in parts]),
        gradient=cat([part.gradient for part in parts]),
        activation=cat([part.activation for part in parts]),
        activation_gradient=cat([part.activation_gradient for part in parts]),
        applied=cat([part.applied for part in parts]),
        precision=parts[0].precision,
    )


def split(reading: Reading, counts: Sequence[int]) -> list[Reading]:
    """The inverse of `join`, for pieces of so many clips."""
    if len(counts) == 1:
        return [reading]

    def cut(tensor: torch.Tensor | None) -> list[torch.Tensor | None]:
        if tensor is None:
            return [None] * len(counts)
        # Copies, so that a job doesn't keep alive what belongs to its neighbours.
        return [part.clone() for part in torch.split(tensor, list(counts))]

    columns = zip(
        torch.split(reading.logits, list(counts)),
        cut(reading.gradient),
        cut(reading.activation),
        cut(reading.activation_gradient),
        cut(reading.applied),
        strict=True,
    )
    return [Reading(*column, precision=reading.precision) for column in columns]
