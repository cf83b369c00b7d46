"""The order of the axes that a model's own description of its input allows."""

from collections.abc import Sequence
from typing import Any, get_args

from videovisual.errors import InvalidParameter
from videovisual.zoo.adapter import PERMUTATIONS, Layout
from videovisual.zoo.card import InputSpec

BYTES = (0.0, 255.0)
"""The range of values of a network that takes uint8 frames."""


def input_layout(
    dtype: str, shape: Sequence[Any], spec: InputSpec, given: Layout | None = None
) -> Layout:
    """The order of the axes of a model's input.

    Args:
        dtype: of the input, in the words of the model's own description.
        shape: of the input; what is no number from 0 on goes for any size.
        spec: the clips that it is said to take.
        given: the order that it is said to have; None finds the only one that fits.

    Raises:
        InvalidParameter: the model's shapes and types don't fit the description.
    """
    if "uint8" in dtype.lower() and (spec.value_range, any(spec.mean)) != (BYTES, False):
        raise InvalidParameter(
            "The model takes uint8 frames. Describe them by value_range=(0, 255), without mean "
            "and std.",
            parameter="input",
        )
    clips = (None, *spec.shape)
    fitting = [
        layout
        for layout in get_args(Layout)
        if all(
            place == 0 or not isinstance(size, int) or size < 0 or size == clips[place]
            for place, size in zip(PERMUTATIONS[layout], shape, strict=True)
        )
    ]
    told = f"The model takes {dtype} {list(shape)}, and clips have {list(spec.shape)}"
    if given is not None and given in PERMUTATIONS and given not in fitting:
        fits = f" It fits {' and '.join(fitting)}." if fitting else ""
        raise InvalidParameter(
            f"{told}, which doesn't fit layout={given!r}.{fits} Change `layout` or `input` "
            "(frames, size).",
            parameter="layout" if fitting else "input",
        )
    if given is not None:
        return given
    if len(fitting) == 1:
        found: Layout = fitting[0]
        return found
    if not fitting:
        raise InvalidParameter(
            f"{told} (colours, frames, rows, columns): no order of them fits. Change `input` "
            "(frames, size).",
            parameter="input",
        )
    raise InvalidParameter(
        f"{told}: {' and '.join(fitting)} fit. Say which it is by `layout`.",
        parameter="layout",
        allowed=fitting,
    )
