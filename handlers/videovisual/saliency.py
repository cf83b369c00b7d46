"""The result of an explanation: a map over the clip, and everything needed to trust it."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Map = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Saliency:
    """How much each pixel of each frame speaks for the target.

    Attributes:
        map: float32 [T, H, W] over the model's crop of the clip.
        signed: whether negative values are evidence against the target; else `map` is ≥ 0.
        diagnostics: what the method says of its own run (convergence delta, achieved area, …).
        provenance: what made the map: model, weights, method, parameters, frames, crop.
    """

    map: Map
    signed: bool
    diagnostics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def curve(self) -> Map:
        """How much each frame counts: float32 [T], the frame's share of all |map|, sum 1."""
        mass = np.abs(self.map).sum(axis=(1, 2), dtype=np.float64)
        total = mass.sum()
        share = mass / total if total > 0 else np.full(len(mass), 1 / len(mass))
        return share.astype(np.float32)

    def peak(self) -> tuple[int, int, int]:
        """Frame, row and column of the strongest evidence for the target."""
        frame, row, column = np.unravel_index(int(self.map.argmax()), self.map.shape)
        return int(frame), int(row), int(column)

    def to_npz(self, **more: npt.NDArray[Any]) -> bytes:
        """The map, diagnostics and provenance as an npz; the same saliency gives the same bytes.

        Args:
            more: further arrays to put beside them.
        """
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {
            "map": self.map,
            "signed": np.array(self.signed),
            "diagnostics": _text(self.diagnostics),
            "provenance": _text(self.provenance),
            **more,
        }
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, data: bytes) -> Saliency:
        """The inverse of `to_npz`; never unpickles."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(
                map=arrays["map"],
                signed=bool(arrays["signed"]),
                diagnostics=json.loads(str(arrays["diagnostics"])),
                provenance=json.loads(str(arrays["provenance"])),
            )


def _text(data: Mapping[str, Any]) -> npt.NDArray[np.str_]:
    return np.array(json.dumps(data, sort_keys=True))
