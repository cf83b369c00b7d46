"""How far an answer under load is from the same request's answer alone."""

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
"""By which numbers may differ, relative to the largest: alone a request has more threads, and sums
of other parts round in other ways."""

PICTURE_TOLERANCE = 1 / 255
"""By which the mean value of a picture, in [0, 1], may differ."""


def differs(alone: httpx.Response, loaded: httpx.Response) -> str | None:
    """What is wrong with an answer under load; None if it is the one given alone."""
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
    one, other = (Answer.model_validate(response.json()) for response in (alone, loaded))
    logits = [np.array([found.logit for found in answer.predictions]) for answer in (one, other)]
    pairs: list[tuple[Values, Values]] = [(logits[0], logits[1])]
    pairs += [
        (mine.map.to_numpy(), yours.map.to_numpy())
        for mine, yours in zip(one.explanations, other.explanations, strict=True)
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
