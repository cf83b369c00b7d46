"""Whether a file is the one that was published."""

from __future__ import annotations

import re
from pathlib import Path

from videovisual.errors import WeightsError
from videovisual.utils.digest import file_sha256


def check_form(sha256: str | None) -> None:
    """Raise WeightsError where `sha256` is neither None nor at least 8 hexadecimal digits."""
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{8,64}", sha256):
        raise WeightsError(
            f"{sha256!r} is no SHA-256: give 64 hexadecimal digits, or at least the first 8.",
            sha256=sha256,
        )


def verify(path: Path, sha256: str | None, size: int | None = None) -> str:
    """Check a file against its published size and checksum, as far as they are known.

    Args:
        path: the file.
        sha256: in hexadecimal: whole, or its first digits (at least 8, as torchvision publishes).
        size: in bytes.

    Returns:
        The file's SHA-256.

    Raises:
        WeightsError: it is another file; the message gives the expected and the actual value.
    """
    check_form(sha256)
    actual_size = path.stat().st_size
    if size is not None and actual_size != size:
        raise WeightsError(
            f"{path.name} has {actual_size} bytes, but the published file has {size}. "
            "It is damaged or another file.",
            expected=size,
            actual=actual_size,
        )
    actual = file_sha256(path)
    if sha256 is not None and not actual.startswith(sha256.lower()):
        raise WeightsError(
            f"{path.name} fails its checksum: expected SHA-256 {sha256.lower()}, "
            f"actual {actual}. It is damaged or another file.",
            expected=sha256.lower(),
            actual=actual,
        )
    return actual
