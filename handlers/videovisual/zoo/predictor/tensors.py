"""What both versions of the protocol share: JSON and arrays that a predictor sent, checked."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.errors import PredictorError
from videovisual.utils.text import shown

Outputs = Mapping[str, npt.NDArray[np.float32]]
"""Arrays by name, of which each has a row for every clip."""

JSON_BYTES = 22
"""About how long a number is in JSON, with its comma."""


def json_list(before: bytes, clips: npt.NDArray[Any], after: bytes) -> bytes:
    """Clips as lists of JSON, one after the other: Python's numbers take ten times their bytes."""
    return before + b",".join(json.dumps(clip.tolist()).encode() for clip in clips) + after


def members(body: bytes) -> dict[str, Any]:
    """The members of a JSON object.

    Raises:
        PredictorError: it is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PredictorError(f"The predictor's answer is no JSON: {shown(error)}.") from error
    if not isinstance(found, dict):
        raise PredictorError(f"The predictor's answer is no object, but {shown(found)}.")
    return found


def numbers(values: Any) -> npt.NDArray[np.float32] | None:
    """Nested lists of numbers as an array; None for anything else."""
    try:
        found = np.array(values, np.float32)
    except (TypeError, ValueError, OverflowError):
        return None
    return found


def finite(outputs: Outputs, count: int) -> Outputs:
    """The outputs as they are.

    Raises:
        PredictorError: one has not a row for each of `count` clips, or NaN or infinity.
    """
    for name, values in outputs.items():
        called = f" {shown(name)!r}" if name else ""
        if values.ndim == 0 or len(values) != count:
            raise PredictorError(
                f"The predictor was given {count} clips, and its output{called} has the shape "
                f"{list(values.shape)}. It must give one row a clip."
            )
        if not np.isfinite(values).all():
            raise PredictorError(f"The predictor's output{called} contains NaN or infinity.")
    return outputs
