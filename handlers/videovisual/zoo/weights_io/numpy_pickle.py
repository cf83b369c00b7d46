"""Reads a pickle of nested dictionaries of numpy arrays without running any code it names.

A pickled array is a call of numpy's `_reconstruct` and a state: version, shape, dtype, order and
bytes. The unpickler replaces the four names that such a pickle needs by classes of this file,
which only store that state, and refuses every other name.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.errors import WeightsError

DTYPES = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f2", "f4", "f8", "b1"}
MAX_DEPTH = 32
MAX_NODES = 100_000


class _Inert:
    """Stores the arguments and the state of a pickled object."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state


class _Array(_Inert):
    """State: version, shape, dtype, Fortran order, bytes."""


class _DType(_Inert):
    """First argument: the type's code, such as `f4`. Second item of the state: the byte order."""


ALLOWED: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Inert,
    ("numpy", "dtype"): _DType,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return ALLOWED[module, name]


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a pickle of nested dictionaries, by their nested keys joined with `/`.

    Raises:
        WeightsError: the pickle is damaged, or holds anything but dictionaries of numeric arrays.
            No code that it names is run.
    """
    try:
        with path.open("rb") as file:
            loaded = _Unpickler(file).load()
        arrays: dict[str, npt.NDArray[Any]] = {}
        _flatten(loaded, (), arrays, budget=[MAX_NODES])
    except Exception as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise WeightsError(
            f"{path.name} is not a pickle of numpy arrays alone: {reason}. "
            "It was not run. Give a pickle of nested dictionaries of numeric arrays.",
            path=str(path),
        ) from error
    return arrays


def _flatten(
    node: object, path: tuple[str, ...], into: dict[str, npt.NDArray[Any]], budget: list[int]
) -> None:
    # A pickle can reference one dictionary many times, even inside itself.
    budget[0] -= 1
    if budget[0] < 0 or len(path) > MAX_DEPTH:
        raise ValueError("its dictionaries are nested too deep or refer to themselves")
    if isinstance(node, dict):
        for key, value in node.items():
            _flatten(value, (*path, str(key)), into, budget)
    elif isinstance(node, _Array) and path:
        into["/".join(path)] = _array(node)
    else:
        raise ValueError(f"it holds a {type(node).__name__.lstrip('_')} at {'/'.join(path)!r}")


def _array(pickled: _Array) -> npt.NDArray[Any]:
    _version, shape, dtype, fortran, raw = pickled.state
    numeric = isinstance(dtype, _DType) and dtype.arguments[0] in DTYPES and isinstance(raw, bytes)
    if not numeric:
        raise ValueError("it holds an array that is not numeric")
    order = ">" if dtype.state[1:2] == (">",) else "<"
    flat = np.frombuffer(raw, np.dtype(f"{order}{dtype.arguments[0]}"))
    array = flat.reshape(shape, order="F" if fortran else "C")
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
