"""The difference of an answer under load and the same request's answer on an idle server."""

from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
from PIL import Image

from videovisual.protocol import Answer
from videovisual.saliency import Saliency

Values = npt.NDArray[np.floating[Any]]

TOLERANCE = 1e-4
"""Allowed difference, relative to the largest value: a lone request has more threads, which changes
the order of sums."""

PICTURE_TOLERANCE = 1 / 255
"""Allowed mean difference of pictures, in [0, 1]."""


def differs(alone: httpx.Response, loaded: httpx.Response) -> str | None:
    """Describe how an answer under load differs; None if it doesn't."""
    if loaded.status_code != alone.status_code:
        return f"{loaded.status_code} instead of {alone.status_code}"
    kind = alone.headers["content-type"]
    if loaded.headers["content-type"] != kind:
        return f"{loaded.headers['content-type']} instead of {kind}"
    if kind == "image/png":
        found = _picture_difference(alone.content, loaded.content)
        return None if found <= PICTURE_TOLERANCE else f"pictures differ by {found:.0e}"
    found = _npz_difference(alone, loaded) if "json" not in kind else json_difference(alone, loaded)
    return None if found <= TOLERANCE else f"numbers differ by {found:.0e}"


def json_difference(alone: httpx.Response, loaded: httpx.Response) -> float:
    """The largest difference of logits and maps, relative to the largest value of each."""
    first, second = (Answer.model_validate(response.json()) for response in (alone, loaded))
    logits = [np.array([found.logit for found in answer.predictions]) for answer in (first, second)]
    pairs: list[tuple[Values, Values]] = [(logits[0], logits[1])]
    pairs += [
        (one.map.to_numpy(), other.map.to_numpy())
        for one, other in zip(first.explanations, second.explanations, strict=True)
    ]
    return max(_relative(*pair) for pair in pairs)


def _npz_difference(alone: httpx.Response, loaded: httpx.Response) -> float:
    return _relative(*(Saliency.from_npz(response.content).map for response in (alone, loaded)))


def _picture_difference(alone: bytes, loaded: bytes) -> float:
    pictures = [np.asarray(Image.open(io.BytesIO(data)), np.float64) for data in (alone, loaded)]
    if pictures[0].shape != pictures[1].shape:
        return float("inf")
    return float(np.abs(pictures[0] - pictures[1]).mean() / 255)


def _relative(one: Values, other: Values) -> float:
    return float(np.abs(one - other).max() / np.abs(one).max())
