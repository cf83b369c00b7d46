"""How a loop is compiled, and what all of them know.

What is kept on the disk is made anew when a loop's own file changes, not when this one does: then
the folders `__pycache__` have to go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
Function = TypeVar("Function", bound=Callable[..., Any])

MATHS = {"contract", "nsz", "arcp", "reassoc"}
"""What the compiler may take liberties with; not whether numbers are finite."""

ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)


def compiled(function: Function) -> Function:
    """Compile a function when it is first called, and keep that on the disk where one may write."""
    options: dict[str, Any] = {"nogil": True, "fastmath": MATHS, "error_model": "numpy"}
    try:
        return cast(Function, numba.njit(cache=True, **options)(function))
    except RuntimeError:
        return cast(Function, numba.njit(**options)(function))


@compiled
def add(values: Floats, weight: np.float32, into: Floats) -> None:
    """Adds values, weighted, one by one."""
    for i in range(len(into)):
        into[i] += weight * values[i]
