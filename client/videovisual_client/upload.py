"""The parts of a clip in a multipart body, read from disk while they are sent."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

from videovisual.utils.extras import needs
from videovisual.utils.folder import frame_files
from videovisual.utils.streams import as_path, content
from videovisual.utils.text import readable, shown
from videovisual_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ClipLike: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes] | npt.NDArray[np.uint8]"
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


def repeatable(clip: ClipLike) -> ClipLike:
    """The clip in a form that can be read again: what can't be, such as a pipe, is read to bytes.

    Raises:
        InvalidRequest: it can't be read, or is text.
        TooLarge: it is larger than what is read from a stream.
    """
    streamed = None if hasattr(clip, "__array__") else content(clip)
    return clip if streamed is None else streamed


def parts(clip: ClipLike) -> list[Part]:
    """The parts of a clip.

    Args:
        clip: path of a video or of a folder of frames, a video's bytes, or uint8 [T, H, W, 3]
            frames.

    Raises:
        InvalidRequest: the path doesn't exist or cannot be read.
        MalformedClip: as `frame_files`.
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
    if isinstance(clip, bytes):
        return [("video", ("clip", io.BytesIO(clip)))]
    path = as_path(clip)
    try:
        if not path.is_dir():
            return [("video", (readable(path.name), _lazy(path)))]
        files = frame_files(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    if not files:
        raise InvalidRequest(
            f"The folder {shown(str(path))} is empty. It should hold PNG or JPEG frames."
        )
    return [
        (f"frame_{index:05d}", (readable(file.name), _lazy(file)))
        for index, file in enumerate(files)
    ]


def _unreadable(path: Path, error: OSError) -> InvalidRequest:
    return InvalidRequest(
        f"{shown(str(path))} cannot be read: {error.strerror}. Give a video file or a folder of "
        "frames."
    )


def _lazy(path: Path) -> IO[bytes]:
    # httpx needs read, seek and tell only.
    return cast(IO[bytes], cast(Any, LazyFile(path)))
