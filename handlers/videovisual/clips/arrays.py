"""Clips made of arrays: in memory, or in an npz."""

import hashlib
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from videovisual.clips.archive import DAMAGE, Archive
from videovisual.clips.limits import Limits
from videovisual.clips.source import Frames, Source, SourceInfo, Times
from videovisual.errors import InvalidParameter, MalformedClip, VideoVisualError
from videovisual.utils.npz import HEADERS
from videovisual.utils.text import shown

FRAMES = "frames.npy"


class ArraySource(Source):
    """Frames in memory. They are copied only when they are read, so do not change them before.

    Args:
        frames: uint8 [T, H, W, 3], RGB.
        fps: frames a second; None for frames without timestamps.
        limits: `max_bytes` does not apply, because the frames are in memory already.

    Raises:
        InvalidParameter: another dtype or shape, or an `fps` that is not a positive number.
        TooLarge: over a limit on pixels, frames or seconds.
    """

    def __init__(self, frames: npt.NDArray[Any], fps: float | None, limits: Limits) -> None:
        _check_layout(frames.shape, frames.dtype, InvalidParameter)
        if fps is not None and not (math.isfinite(fps) and fps > 0):
            raise InvalidParameter(
                f"fps must be a positive number of frames a second, or None, not {fps}.",
                parameter="fps",
            )
        digest = hashlib.sha256(np.asarray(frames.shape, "<i8").tobytes())
        for frame in frames:
            digest.update(np.ascontiguousarray(frame).data)
        times, end = (None, None) if fps is None else _regular(len(frames), fps)
        info = _describe("frames", frames.shape, end, digest.hexdigest(), limits)
        super().__init__(info, times, limits)
        self.frames = frames

    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        for index in wanted:
            yield index, self.frames[index]


class NpzSource(Source):
    """An npz with uint8 `frames` [T, H, W, 3], and `fps` (a number) or `timestamps` [T] (seconds).

    Opening reads only headers and times, and a read inflates one frame at a time. Other arrays in
    the file are ignored. Nothing is unpickled.

    Raises:
        MalformedClip: no `frames`, another dtype or shape, fewer bytes than the header says,
            `fps` and `timestamps` together, or times that don't increase.
        TooLarge: over one of the limits.
    """

    def __init__(self, archive: Archive, sha256: str, limits: Limits) -> None:
        self.archive = archive
        with _reading(FRAMES), archive.opener(FRAMES)() as stream:
            shape, dtype = _header(stream)
            self.offset = stream.tell()
        _check_layout(shape, dtype, MalformedClip)
        held = archive.members[FRAMES].file_size - self.offset
        if held != math.prod(shape):
            raise MalformedClip(
                f"`frames` is {list(shape)} by its header, {math.prod(shape)} bytes, but holds "
                f"{held}. Save it again with numpy.savez."
            )
        limits.check_frames(shape[0])
        times, end = self._timing(shape[0])
        super().__init__(_describe("npz", shape, end, sha256, limits), times, limits)

    def _timing(self, count: int) -> tuple[Times | None, float | None]:
        """Start of each frame, and end of the last, in seconds from the first frame."""
        fps = self._numbers("fps", [(), (1,)], "one positive number of frames a second")
        wanted = f"{count} finite seconds, one a frame, each greater than the one before"
        stamps = self._numbers("timestamps", [(count,)], wanted)
        if fps is not None and stamps is not None:
            raise MalformedClip("The npz has both `fps` and `timestamps`. Give one of them.")
        if fps is not None:
            if not (np.isfinite(fps).all() and (fps > 0).all()):
                raise MalformedClip("`fps` must be one positive number of frames a second.")
            return _regular(count, fps.item())
        if stamps is not None:
            gaps = np.diff(stamps)
            if not (np.isfinite(stamps).all() and (gaps > 0).all()):
                raise MalformedClip(f"`timestamps` must be {wanted}.")
            last = float(np.median(gaps)) if count > 1 else 0.0
            return stamps - stamps[0], float(stamps[-1] - stamps[0]) + last
        return None, None

    def _numbers(self, name: str, shapes: Sequence[tuple[int, ...]], wanted: str) -> Times | None:
        """An array of one of the `shapes`, of which nothing is read where it has another."""
        member = f"{name}.npy"
        if member not in self.archive.members:
            return None
        with _reading(member), self.archive.opener(member)() as stream:
            shape, dtype = _header(stream)
            if dtype.kind not in "iuf" or shape not in shapes:
                raise MalformedClip(
                    f"`{name}` must be {wanted}, not {shown(dtype)} {shown(list(shape))}. Save it "
                    "as float64."
                )
            values = np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype)
            return values.reshape(shape).astype(np.float64)

    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        shape = (self.info.height, self.info.width, 3)
        size = math.prod(shape)
        with self.archive.opener(FRAMES)() as stream:
            for index in wanted:
                with _reading(FRAMES):
                    stream.seek(self.offset + index * size)
                    pixels = np.frombuffer(stream.read(size), np.uint8).reshape(shape)
                yield index, pixels


@contextmanager
def _reading(member: str) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise MalformedClip(
            f"The npz's {member} is damaged: {shown(error, 200)}. Save it again with numpy.savez.",
            member=member,
        ) from error


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the shape and dtype in an npy's header; leave the stream at the first value."""
    # Later versions are for headers over 64 KiB, whose declared length could be any number.
    if npy.read_magic(stream) != (1, 0):
        raise ValueError("not an npy of version 1.0")
    with HEADERS:
        shape, fortran, dtype = npy.read_array_header_1_0(stream)
    if fortran:
        raise ValueError("in Fortran order; use numpy.ascontiguousarray")
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are never read")
    return shape, dtype


def _check_layout(
    shape: tuple[int, ...], dtype: np.dtype[Any], error: type[VideoVisualError]
) -> None:
    if dtype != np.uint8 or len(shape) != 4 or shape[-1] != 3 or min(shape) < 1:
        raise error(
            f"`frames` must be uint8 [T, H, W, 3], RGB, not {shown(dtype)} {shown(list(shape))}.",
            dtype=shown(dtype),
            shape=shown(list(shape)),
        )


def _regular(count: int, fps: float) -> tuple[Times, float]:
    """Start of each of `count` frames, and end of the last, in seconds."""
    return np.arange(count) / fps, count / fps


def _describe(
    name: str, shape: tuple[int, ...], end: float | None, sha256: str, limits: Limits
) -> SourceInfo:
    count, height, width = shape[:3]
    limits.check_frames(count)
    limits.check_pixels(width, height)
    limits.check_seconds(end or 0.0)
    fps = count / end if end else None
    return SourceInfo(name, None, width, height, count, end, fps, sha256)
