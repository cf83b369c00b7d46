"""What a classification or an explanation answers."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from videovisual.protocol.envelope import Envelope
from videovisual.utils.extras import needs

if TYPE_CHECKING:
    import numpy as np

    from videovisual.saliency import Saliency


ReprArgs = Iterable[tuple[str | None, Any]]

SHOWN = 3
"""Classes and explanations in the text of an answer."""


HEADLINE = (
    *("insertion", "deletion", "sufficiency", "necessity", "saco", "sensitivity_n"),
    *("relative_delta", "stability"),
)
"""The measures of a map that tables show, in their order; answers have more."""


def said(probability: float | None, logit: float) -> str:
    """A probability in percent, or the raw score where there is none."""
    return f"{logit:.4g}" if probability is None else f"{100 * probability:.1f}%"


class Prediction(BaseModel):
    """One class and its score."""

    index: int
    label: str
    probability: float | None = Field(
        description="in [0, 1]; null for a model whose scores give no probability"
    )
    logit: float = Field(description="the network's own output")

    @property
    def score(self) -> str:
        """How likely the class is, or its raw score, for a person."""
        return said(self.probability, self.logit)


class Array(BaseModel):
    """An array inside JSON: C order, little-endian."""

    shape: tuple[int, ...]
    dtype: str
    base64: str

    def __repr_args__(self) -> ReprArgs:
        yield "shape", self.shape
        yield "dtype", self.dtype

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> Array:
        """The array, encoded."""
        import numpy as np  # noqa: PLC0415

        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        return cls(
            shape=array.shape,
            dtype=array.dtype.name,
            base64=base64.b64encode(little.tobytes()).decode("ascii"),
        )

    def to_bytes(self) -> bytes:
        """Its values, decoded.

        Raises:
            ValueError: that isn't base64.
        """
        return base64.b64decode(self.base64)

    def to_numpy(self) -> np.ndarray[Any, Any]:
        """The array, decoded.

        Raises:
            MissingExtra: numpy is not installed.
            ValueError: the values are not base64, or not of that shape.
        """
        with needs("pictures", "Without them a map can be saved as npz or json."):
            import numpy as np  # noqa: PLC0415
        dtype = np.dtype(self.dtype).newbyteorder("<")
        return np.frombuffer(self.to_bytes(), dtype).reshape(self.shape).astype(self.dtype)


class Explanation(BaseModel):
    """One saliency map, as JSON."""

    method: str
    target: Prediction
    signed: bool
    map: Array
    signed_map: Array | None = Field(
        default=None, description="both signs, if `map` is one side (`polarity`)"
    )
    curve: list[float] = Field(description="each frame's share of the saliency; sums to 1")
    peak: tuple[int, int, int] = Field(description="frame, row and column of the maximum")
    summary: str = Field(
        default="",
        description="what, when and where, how sure, and what speaks against it, in words made by "
        "rules from this answer's numbers; empty in answers of older versions",
    )
    diagnostics: dict[str, Any]
    provenance: dict[str, Any]
    faithfulness: dict[str, float | None] | None = Field(
        default=None,
        description="the measures of `videovisual.faithfulness`, with `evaluate=true` or "
        "`stability=true`; null where one has no value, with the reason in `diagnostics.undefined`",
    )

    def __repr_args__(self) -> ReprArgs:
        yield "method", self.method
        yield "target", self.target.label
        yield "score", self.target.score
        yield "map", self.map

    @classmethod
    def of(
        cls,
        saliency: Saliency,
        method: str,
        target: Prediction,
        faithfulness: dict[str, float | None] | None = None,
    ) -> Explanation:
        """The saliency of `target` under `method`, and how faithful it is."""
        return cls(
            method=method,
            target=target,
            signed=saliency.signed,
            map=Array.of(saliency.map),
            signed_map=None if saliency.signed_map is None else Array.of(saliency.signed_map),
            curve=[round(float(share), 6) for share in saliency.curve()],
            peak=saliency.peak(),
            diagnostics=dict(saliency.diagnostics),
            provenance=dict(saliency.provenance),
            faithfulness=faithfulness,
        )

    def to_saliency(self) -> Saliency:
        """The saliency that this describes.

        Raises:
            MissingExtra, ValueError: as `Array.to_numpy`.
        """
        values = self.map.to_numpy()
        from videovisual.saliency import Saliency  # noqa: PLC0415

        return Saliency(
            map=values,
            signed=self.signed,
            diagnostics=self.diagnostics,
            provenance=self.provenance,
            signed_map=None if self.signed_map is None else self.signed_map.to_numpy(),
        )


class Second(BaseModel):
    """One second of a clip, classified by itself."""

    start_s: float = Field(description="seconds from the clip's first frame")
    end_s: float
    predictions: list[Prediction]


class Answer(BaseModel):
    """What a classification or an explanation answers."""

    model: str
    predictions: list[Prediction] = Field(
        description="the top classes; of several windows, those of the averaged scores"
    )
    timeline: list[Second] = Field(
        default_factory=list, description="one entry a second, with `timeline=true`"
    )
    explanations: list[Explanation] = Field(default_factory=list)
    clip: dict[str, Any] = Field(description="which frames of the source the model saw")
    classifier_sha256: str | None = Field(
        default=None,
        description="of the weights and of all that answers depend on in the model's card; null "
        "for a model whose weights the server doesn't have",
    )
    evidence: Envelope | None = Field(
        default=None, description="what a server with a signing key signs of an explanation"
    )

    def __repr_args__(self) -> ReprArgs:
        yield "model", self.model
        best = self.predictions[:SHOWN]
        yield "predictions", {each.label: each.score for each in best}
        if self.timeline:
            yield "seconds", len(self.timeline)
        if self.explanations:
            more = len(self.explanations) - SHOWN
            yield "explanations", self.explanations[:SHOWN] + ["…"] * (more > 0)

    def without_maps(self) -> dict[str, Any]:
        """Its JSON with empty maps, whose shapes are kept: megabytes less."""
        data = self.model_dump(mode="json")
        for explanation in data["explanations"]:
            for values in (explanation["map"], explanation["signed_map"]):
                if values is not None:
                    values["base64"] = ""
        return data
