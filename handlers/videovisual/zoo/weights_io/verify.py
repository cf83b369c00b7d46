"""Checks a file's size and SHA-256 against the published ones."""

from __future__ import annotations

import re
from pathlib import Path

from videovisual.errors import WeightsError
from videovisual.utils.digest import file_sha256


def check_form(sha256: str | None) -> None:
    """Raise WeightsError where `sha256` is neither None nor at least 8 hexadecimal digits."""
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{8,64}", sha256):
        raise WeightsError(
            f"{sha256!r} is not a SHA-256. Give 64 hexadecimal digits, or at least the first 8.",
            sha256=sha256,
        )


def verify(path: Path, sha256: str | None, size: int | None = None) -> None:
    """Raise WeightsError, with the expected and actual value, where the file is another one.

    Args:
        path: the file.
        sha256: in hexadecimal, whole or its first digits (torchvision publishes 8); None skips
            the check.
        size: in bytes; None skips the check.
    """
    actual_size = path.stat().st_size
    if size is not None and actual_size != size:
        raise WeightsError(
            f"{path.name} has {actual_size} bytes, but the published file has {size}. "
            "It is damaged or another file. Download it again.",
            expected=size,
            actual=actual_size,
        )
    if sha256 is None:
        return
    actual = file_sha256(path)
    if not actual.startswith(sha256.lower()):
        raise WeightsError(
            f"{path.name} fails its checksum: expected SHA-256 {sha256.lower()}, "
            f"actual {actual}. It is damaged or another file. Download it again.",
            expected=sha256.lower(),
            actual=actual,
        )
