"""The result of an explanation: a map over the clip, its diagnostics and its provenance."""

import dataclasses
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from videovisual.errors import InvalidParameter, InvalidRequest, TooLarge, VideoVisualError
from videovisual.utils.files import check_writable, write_whole
from videovisual.utils.npz import HEADERS, npy, npy_json, write_npz
from videovisual.utils.polarity import Polarity, check_polarity
from videovisual.utils.suffixes import check_signs, is_record_name

Map = npt.NDArray[np.float32]

MAX_NPZ_BYTES = 2**30
READ_ERRORS = (
    *(ValueError, KeyError, TypeError, EOFError, OSError, RuntimeError, MemoryError, SyntaxError),
    *(AttributeError, zipfile.BadZipFile, zlib.error, struct.error),
)
"""What numpy and zipfile raise for files that are not what they say."""


class Drawing(Protocol):
    """Draws a saliency over the clip that it explains; `videovisual.render` has one."""

    def __call__(
        self, saliency: "Saliency", suffix: str, columns: int | Sequence[float] | None = None
    ) -> bytes:
        """The file of that suffix."""

    def in_notebook(self, saliency: "Saliency") -> str:
        """HTML for a notebook's cell."""

    def summary(self, saliency: "Saliency") -> str:
        """What the saliency comes to, in words."""

    def evidence(self, saliency: "Saliency", key: str | os.PathLike[str] | None) -> bytes:
        """The file of an evidence record, signed with a key."""


@dataclass(frozen=True, repr=False)
class Saliency:
    """How much each pixel of each frame contributes to the target's score.

    Attributes:
        map: float32 [T, H, W] over the model's crop of the clip.
        signed: whether negative values are evidence against the target; else `map` is ≥ 0.
        diagnostics: facts about the method's run (convergence delta, achieved area, …).
        provenance: the origin of the map: model, weights, method, parameters, frames, crop.
        signed_map: the map with both signs, if `map` is only one side of it; else None.
        drawing: draws it over its clip; None where the clip isn't known. It is neither compared
            nor pickled.
    """

    map: Map
    signed: bool
    diagnostics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    signed_map: Map | None = None
    drawing: Drawing | None = dataclasses.field(default=None, compare=False)

    def __repr__(self) -> str:
        facts = [self.provenance.get(name) for name in ("method", "model")]
        target = self.provenance.get("target") or {}
        shape = f"{self.map.dtype} {list(self.map.shape)}"
        sign = "signed" if self.signed else "unsigned"
        shown = [*facts, target.get("label"), getattr(self.drawing, "score", None), shape, sign]
        return f"Saliency({', '.join(str(each) for each in shown if each is not None)})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "drawing": None}

    def _repr_html_(self) -> str | None:
        """What a notebook shows: the report, or the text of `repr` where the clip is gone."""
        try:
            return None if self.drawing is None else self.drawing.in_notebook(self)
        except (VideoVisualError, OSError):
            return None

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows that can't show pages: the filmstrip."""
        try:
            return None if self.drawing is None else self.drawing(self, "png")
        except (VideoVisualError, OSError):
            return None

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        key: str | os.PathLike[str] | None = None,
        columns: int | Sequence[float] | None = None,
    ) -> Path:
        """Write the saliency in the format that the suffix names.

        Args:
            path: `….npz` holds the map as `to_npz` does, `….json` the answer of a server,
                `…evidence.json` an evidence record; `….png` is a filmstrip, `….pdf` and `….svg` a
                figure for papers, `….mp4` and `….gif` the overlay beside the source, `….html` an
                interactive page that works offline.
            key: file of the private key that signs a record; that of $VIDEOVISUAL_SIGNING_KEY
                unless given. Without either the record is not signed.
            columns: how many frames a png, pdf or svg shows, or their times in seconds (frame
                numbers of a clip without timestamps); 8 unless given.

        Raises:
            UnknownOutput: the suffix names no format.
            InvalidParameter: the clip isn't known, over which a picture is drawn; or the key can't
                be used; or there are no columns.
            MissingExtra: an mp4 needs the extra `video`, a pdf or svg `figures`, a record
                `evidence`.
            WriteError: the file can't be written; nothing of it is left.
        """
        target = Path(path)
        check_writable(target)
        check_signs(target, key)
        suffix = target.suffix.lower().removeprefix(".")
        if suffix == "npz":
            data = self.to_npz()
        elif self.drawing is None:
            raise InvalidParameter(
                f"{target.name} needs the clip, which this saliency doesn't know: it was read from "
                "a file, or the clip came as a prepared tensor. Save it as .npz, or explain the "
                "clip again from a path or frames.",
                parameter="path",
            )
        elif is_record_name(target):
            data = self.drawing.evidence(self, key)
        else:
            data = self.drawing(self, suffix, columns)
        return write_whole(target, data)

    @property
    def summary(self) -> str | None:
        """What, when and where, how sure, and what speaks against it, in words made by rules from
        the numbers; None where the clip isn't known, as in `save`."""
        return None if self.drawing is None else self.drawing.summary(self)

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
        """The inverse of `to_npz`. Never unpickles.

        Raises:
            InvalidRequest: this is no such npz, or a damaged one.
            TooLarge: its arrays have more than `MAX_NPZ_BYTES`.
        """
        try:
            # A member may be a thousand times larger than its compressed bytes.
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size <= MAX_NPZ_BYTES:
                return cls._read(data)
        except READ_ERRORS as error:
            raise InvalidRequest(
                f"This is no npz of a saliency map: {str(error)[:200]}. Give one that `to_npz`, a "
                "result's `save` or `output=npz` made."
            ) from None
        raise TooLarge(
            f"The npz's arrays have {size} bytes, and {MAX_NPZ_BYTES} are allowed.",
            allowed=MAX_NPZ_BYTES,
        )

    @classmethod
    def _read(cls, data: bytes) -> "Saliency":
        with HEADERS, np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            signed_map = arrays.get("signed_map")
            for values in (arrays["map"], signed_map):
                if values is not None and (values.ndim != 3 or values.dtype.kind != "f"):
                    raise ValueError(f"a map is {values.dtype} {values.shape}, not float [T, H, W]")
            return cls(
                map=arrays["map"],
                signed=bool(arrays["signed"]),
                diagnostics=dict(json.loads(str(arrays["diagnostics"]))),
                provenance=dict(json.loads(str(arrays["provenance"]))),
                signed_map=signed_map,
            )


def _npy(values: Map) -> bytes:
    return npy("<f4", values.shape, np.ascontiguousarray(values, "<f4").tobytes())
