"""The parts of a clip in a multipart body, read from disk while they are sent."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

from videovisual.utils.extras import needs
from videovisual.utils.folder import frame_files
from videovisual_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ClipLike: TypeAlias = "str | os.PathLike[str] | npt.NDArray[np.uint8]"
Part = tuple[str, tuple[str, IO[bytes]]]


class LazyFile:
    """A file that is open only while it is read, so that a folder of frames opens one at a time.

    Raises:
        InvalidRequest: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._open: IO[bytes] | None = None
        try:
            self.size = path.stat().st_size
            with path.open("rb"):
                """Fails now, before anything is sent."""
        except OSError as error:
            raise _unreadable(path, error) from None

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; empty at the end, where the file is closed."""
        try:
            if self._open is None:
                self._open = self._path.open("rb")
                self._open.seek(self._at)
            data = self._open.read(size)
        except OSError as error:
            raise _unreadable(self._path, error) from None
        self._at += len(data)
        if not data or self._at >= self.size:
            self._open.close()
            self._open = None
        return data

    def tell(self) -> int:
        """The position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, as files do."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if self._open is not None:
            self._open.close()
            self._open = None
        self._at = start + offset
        return self._at


def parts(clip: ClipLike) -> list[Part]:
    """The parts of a clip.

    Args:
        clip: path of a video or of a folder of frames, or uint8 [T, H, W, 3] frames.

    Raises:
        InvalidRequest: the path doesn't exist or cannot be read.
    """
    if hasattr(clip, "__array__"):
        with needs("pictures"):
            import numpy as np  # noqa: PLC0415
        frames = np.asarray(clip)
        if frames.dtype.hasobject:
            raise InvalidRequest("An array of objects is no clip. Give uint8 [T, H, W, 3] frames.")
        buffer = io.BytesIO()
        np.savez_compressed(buffer, frames=frames)
        return [("video", ("clip.npz", buffer))]
    if not isinstance(clip, str | os.PathLike):
        raise InvalidRequest(
            f"A {type(clip).__name__} is no clip. Give a path, or uint8 [T, H, W, 3] frames."
        )
    path = Path(clip)
    if "\0" in str(path):
        raise InvalidRequest("A path can't have a null character.")
    if not path.is_dir():
        return [("video", (_name(path), _lazy(path)))]
    files = frame_files(path)
    if not files:
        raise InvalidRequest(f"The folder {path} is empty. It should hold PNG or JPEG frames.")
    return [(f"frame_{index:05d}", (_name(file), _lazy(file))) for index, file in enumerate(files)]


def _unreadable(path: Path, error: OSError) -> InvalidRequest:
    return InvalidRequest(
        f"{path} cannot be read: {error.strerror}. Give a video file or a folder of frames."
    )


def _lazy(path: Path) -> IO[bytes]:
    # httpx needs read, seek and tell only.
    return cast(IO[bytes], cast(Any, LazyFile(path)))


def _name(path: Path) -> str:
    # A file's name need not be UTF-8, and a part's must be.
    return path.name.encode("utf-8", "replace").decode()
