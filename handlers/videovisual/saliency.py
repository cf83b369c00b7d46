"""The result of an explanation: a map over the clip, its diagnostics and its provenance."""

import dataclasses
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.utils.npz import npy, npy_json, write_npz
from videovisual.utils.polarity import Polarity, check_polarity

Map = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Saliency:
    """How much each pixel of each frame contributes to the target's score.

    Attributes:
        map: float32 [T, H, W] over the model's crop of the clip.
        signed: whether negative values are evidence against the target; else `map` is ≥ 0.
        diagnostics: facts about the method's run (convergence delta, achieved area, …).
        provenance: the origin of the map: model, weights, method, parameters, frames, crop.
        signed_map: the map with both signs, if `map` is only one side of it; else None.
    """

    map: Map
    signed: bool
    diagnostics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    signed_map: Map | None = None

    def with_facts(self, **facts: Any) -> "Saliency":
        """The same map with more diagnostics."""
        return dataclasses.replace(self, diagnostics={**self.diagnostics, **facts})

    def polarised(self, polarity: Polarity) -> "Saliency":
        """The positive side max(map, 0) or the negative side max(-map, 0) of a signed map.

        `both` returns the saliency itself, and so does `positive` for an unsigned map.

        Raises:
            InvalidParameter: the negative side of an unsigned map, or an unknown polarity.
        """
        check_polarity(polarity, "the map", signed=self.signed)
        if not self.signed or polarity == "both":
            return self
        side = self.map if polarity == "positive" else -self.map
        return dataclasses.replace(self, map=np.maximum(side, 0), signed=False, signed_map=self.map)

    def curve(self) -> Map:
        """Each frame's share of the sum of |map|: float32 [T], sum 1.

        Both signs of a signed map count and don't cancel out; use `polarised` for one side.
        """
        mass = np.abs(self.map).sum(axis=(1, 2), dtype=np.float64)
        total = mass.sum()
        share = mass / total if total > 0 else np.full(len(mass), 1 / len(mass))
        return share.astype(np.float32)

    def peak(self) -> tuple[int, int, int]:
        """Frame, row and column of the strongest evidence for the target."""
        frame, row, column = np.unravel_index(int(self.map.argmax()), self.map.shape)
        return int(frame), int(row), int(column)

    def to_npz(self) -> bytes:
        """Maps, diagnostics and provenance as npz; equal saliencies give equal bytes."""
        arrays = {
            "map": _npy(self.map),
            "signed": npy("|b1", (), bytes([self.signed])),
            "diagnostics": npy_json(dict(self.diagnostics)),
            "provenance": npy_json(dict(self.provenance)),
        }
        if self.signed_map is not None:
            arrays["signed_map"] = _npy(self.signed_map)
        return write_npz(arrays)

    @classmethod
    def from_npz(cls, data: bytes) -> "Saliency":
        """The inverse of `to_npz`. Never unpickles."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(
                map=arrays["map"],
                signed=bool(arrays["signed"]),
                diagnostics=json.loads(str(arrays["diagnostics"])),
                provenance=json.loads(str(arrays["provenance"])),
                signed_map=arrays.get("signed_map"),
            )


def _npy(values: Map) -> bytes:
    return npy("<f4", values.shape, np.ascontiguousarray(values, "<f4").tobytes())
