"""Version 1 of the open inference protocol: clips as nested lists of JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.errors import PredictorError
from videovisual.utils.text import shown
from videovisual.zoo.adapter import Layout
from videovisual.zoo.card import InputSpec
from videovisual.zoo.predictor.tensors import (
    JSON_BYTES,
    Outputs,
    finite,
    json_list,
    members,
    numbers,
)


@dataclass(frozen=True)
class V1:
    """`POST …:predict` with `instances`, which are answered by `predictions`.

    Attributes:
        path: behind the model's address.
        batch: the number of clips that the model insists on, if any.
        value_bytes: about how long a number is in a request.
        facts: what metadata say of the model's card: nothing.
    """

    path: str = ":predict"
    batch: int | None = None
    value_bytes: int = JSON_BYTES
    facts: Mapping[str, Any] = field(default_factory=dict)

    def request(self, clips: npt.NDArray[np.float32]) -> tuple[bytes, Mapping[str, str]]:
        """The body, and its headers."""
        return json_list(b'{"instances":[', clips, b"]}"), {"Content-Type": "application/json"}

    def layout(self, _: InputSpec, given: Layout | None) -> Layout:
        """The order of the axes of the model's input; the protocol doesn't tell it."""
        return given or "NCTHW"

    def outputs(self, body: bytes, _: Mapping[str, str], count: int) -> Outputs:
        """The answer's arrays by name, each with `count` rows.

        Raises:
            PredictorError: it has none, or others.
        """
        rows = members(body).get("predictions")
        if not isinstance(rows, list) or len(rows) != count:
            came = f"{len(rows)} rows" if isinstance(rows, list) else shown(type(rows).__name__)
            raise PredictorError(
                f"The predictor was given {count} clips, and its `predictions` are {came}. It must "
                "give one row a clip."
            )
        names = list(rows[0]) if isinstance(rows[0], dict) else [""]
        found = {name: numbers([_member(row, name) for row in rows]) for name in names}
        arrays = {name: values for name, values in found.items() if values is not None}
        if not arrays:
            raise PredictorError(
                f"The predictor's `predictions` hold no numbers, but {shown(rows[0])}. It must "
                "give a list of scores a clip."
            )
        return finite(arrays, count)


def _member(row: Any, name: str) -> Any:
    return row.get(name) if name and isinstance(row, dict) else row
