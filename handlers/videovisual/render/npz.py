"""The numbers of an answer as npz."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.protocol import Answer
from videovisual.saliency import Saliency


def to_npz(answer: Answer, saliencies: Sequence[Saliency]) -> bytes:
    """The first saliency as in `Saliency.to_npz`, further maps as `map_1`, …, and the answer."""
    summary = answer.model_dump(
        mode="json", exclude={"explanations": {"__all__": {"map", "signed_map", "provenance"}}}
    )
    more: dict[str, npt.NDArray[Any]] = {
        f"map_{index}": saliency.map for index, saliency in enumerate(saliencies[1:], start=1)
    }
    for index, saliency in enumerate(saliencies[1:], start=1):
        if saliency.signed_map is not None:
            more[f"signed_map_{index}"] = saliency.signed_map
    more["curve"] = saliencies[0].curve()
    more["answer"] = np.array(json.dumps(summary, sort_keys=True))
    return saliencies[0].to_npz(**more)
