"""Clips that are no files: bytes, opened files, pipes and standard input."""

import os
import stat
import sys
from pathlib import Path
from typing import IO, Any

from videovisual.errors import InvalidRequest, TooLarge
from videovisual.utils.text import shown

MIB = 2**20
MAX_BYTES = 64 * MIB
"""The most that is read from a stream; a clip's default limit."""

STDIN = "-"
_PIECE = MIB


def content(clip: object, max_bytes: int = MAX_BYTES) -> bytes | None:
    """Read a clip that can be read only once: bytes, an open file, a pipe, `-` for standard input.

    Args:
        clip: anything; an open file is read from where it stands.
        max_bytes: the most that is read.

    Returns:
        Its bytes; None for a file or folder, and for what is no clip.

    Raises:
        InvalidRequest: it can't be read, or is text.
        TooLarge: it holds more than `max_bytes`.
    """
    if isinstance(clip, bytes | bytearray | memoryview):
        return bytes(clip)
    if hasattr(clip, "read"):
        return _read(clip, "The opened file", max_bytes)
    if not isinstance(clip, str | os.PathLike):
        return None
    path = as_path(clip)
    if str(path) == STDIN:
        return _read(sys.stdin.buffer, "Standard input", max_bytes)
    if not is_stream(path):
        return None
    try:
        with path.open("rb") as stream:
            return _read(stream, shown(str(path)), max_bytes)
    except OSError as error:
        raise InvalidRequest(f"{shown(str(path))} can't be read: {error.strerror}.") from error


def as_path(clip: object) -> Path:
    """A clip's path.

    Raises:
        InvalidRequest: it is no path.
    """
    if isinstance(clip, str | os.PathLike):
        name = os.fspath(clip)
        if isinstance(name, str):
            if "\0" in name:
                raise InvalidRequest("A path can't have a null character. Give a clip's path.")
            return Path(name)
    raise InvalidRequest(
        f"A clip is a path, bytes, a file opened with 'rb', or uint8 frames [T, H, W, 3]; this is "
        f"{type(clip).__name__}."
    )


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or a device, which can be read only once."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _read(stream: IO[Any] | Any, name: str, max_bytes: int) -> bytes:
    pieces = []
    size = 0
    try:
        while piece := stream.read(_PIECE):
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise InvalidRequest(f"{name} gives no bytes. Open it with 'rb'.")
            pieces.append(bytes(piece))
            size += len(piece)
            if size > max_bytes:
                raise TooLarge(
                    f"{name} gives more than {max_bytes / MIB:.0f} MiB, which is the most that is "
                    "read from a stream. Save it as a file, or cut it.",
                    limit="max_bytes",
                    allowed=max_bytes,
                )
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{name} can't be read: {error}.") from error
    if not size:
        raise InvalidRequest(f"{name} gives no bytes. Send a clip.")
    return b"".join(pieces)
