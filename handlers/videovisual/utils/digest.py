"""SHA-256 of files, read a piece at a time."""

import hashlib
from pathlib import Path

PIECE = 1 << 20


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
