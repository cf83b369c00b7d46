"""Writes `.npz` files without numpy; the same arrays give the same bytes."""

import io
import json
import struct
import threading
import zipfile
from collections.abc import Mapping
from typing import Any

HEADERS = threading.Lock()
"""Held while numpy reads headers: it uses `ast.parse`, which in some Pythons, 3.11 among them,
raises SystemError at random where two threads parse (https://github.com/python/cpython/issues/106905).
"""


def write_npz(arrays: Mapping[str, bytes]) -> bytes:
    """A compressed npz.

    Args:
        arrays: by name, each as `npy` or `npy_json` gives it.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            # A ZipInfo has a fixed date; a mere name would get the present one.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def npy(dtype: str, shape: tuple[int, ...], values: bytes) -> bytes:
    """An array as `.npy` of version 1.0, as numpy.lib.format describes it.

    Args:
        dtype: as numpy's `dtype.str`, e.g. `<f4`.
        shape: of the array.
        values: in C order.
    """
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    # Magic, version and length take 10 bytes; the whole ends in a newline, at a multiple of 64.
    header = header.ljust(len(header) + -(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + values


def npy_json(data: Any) -> bytes:
    """Data as a `.npy` that holds one string of JSON."""
    text = json.dumps(data, sort_keys=True)
    return npy(f"<U{len(text)}", (), text.encode("utf-32-le"))
