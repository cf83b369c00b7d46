"""Opening of clips: from bytes, a path, parts of a request, or an array."""

import hashlib
import os
import re
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from videovisual.clips import formats
from videovisual.clips.animation import WebpSource
from videovisual.clips.apng import ApngSource
from videovisual.clips.archive import Archive
from videovisual.clips.arrays import FRAMES, ArraySource, NpzSource
from videovisual.clips.limits import Limits
from videovisual.clips.source import Source
from videovisual.clips.stills import StillsSource
from videovisual.errors import InvalidRequest, MalformedClip
from videovisual.utils.animation import is_animated
from videovisual.utils.extras import needs
from videovisual.utils.folder import frame_files
from videovisual.utils.frame_names import in_order
from videovisual.utils.streams import as_path, content
from videovisual.utils.text import shown

DEFAULT_LIMITS = Limits()

_PART_NAME = re.compile(r"frame_(\d{1,9})", re.ASCII)


def open_bytes(
    data: bytes | bytearray | memoryview, limits: Limits = DEFAULT_LIMITS, *, as_shown: bool = True
) -> Source:
    """Open a video, an animated picture, a zip of pictures, an npz, or a single picture.

    The format is detected by content. Opening decodes at most one frame.

    Args:
        data: the whole file. Videos are mp4, mov, 3gp, webm, mkv, avi, gif, MPEG transport or
            program streams, or wmv; animated pictures are WebP or PNG; pictures are PNG, JPEG,
            WebP or BMP, in a zip in the order of their numbers; an npz has uint8 `frames`
            [T, H, W, 3], and may have `fps` (one number) or `timestamps` (seconds [T]).
        limits: what the clip may cost.
        as_shown: whether frames are those that a player shows: cropped as the container says, with
            square pixels, upright, high dynamic range mapped to BT.709. False for the stored
            pixels. `Source.info.shown` tells what was done.

    Returns:
        A source of at least one frame.

    Raises:
        InvalidRequest: there are no bytes.
        UnsupportedMedia: another format or codec; the message lists the allowed ones.
        MalformedClip: the clip is damaged or unsafe, its frames differ in size, are more than one
            sequence, or their names don't tell the order.
        TooLarge: over one of the limits.
        MissingExtra: the clip is a video, and PyAV is not installed.
    """
    limits.check_bytes(len(data) if not isinstance(data, memoryview) else data.nbytes)
    data = bytes(data)
    name = formats.sniff(data)
    sha256 = hashlib.sha256(data).hexdigest()
    if name in formats.VIDEO:
        return _open_video(data, name, sha256, limits, as_shown)
    if is_animated(data):
        kind = ApngSource if name == "png" else WebpSource
        return kind(data, sha256, limits)
    if name in formats.STILL:
        picture = {"The picture": partial(BytesIO, data)}
        return StillsSource(picture, name, sha256, limits, as_shown=as_shown)
    return _open_zip(data, sha256, limits, as_shown)


def open_path(
    path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS, *, as_shown: bool = True
) -> Source:
    """Open a file as `open_bytes` does, or a folder of pictures in the order of their numbers.

    Args:
        path: a file, whose name does not matter; a folder, see `frame_files`; a pipe or a device;
            or `-`, standard input.
        limits: what the clip may cost. Sizes are checked before anything is read.
        as_shown: as `open_bytes`.

    Raises:
        InvalidRequest: there is no such file or folder, it can't be read, or the file is empty.
        UnsupportedMedia, MalformedClip, TooLarge, MissingExtra: as `open_bytes`.
    """
    streamed = content(path, limits.max_bytes)
    if streamed is not None:
        return open_bytes(streamed, limits, as_shown=as_shown)
    path = as_path(path)
    try:
        if path.is_dir():
            files = frame_files(path)
            limits.check_frames(len(files))
            limits.check_bytes(sum(file.stat().st_size for file in files))
            pictures = {file.name: file.read_bytes() for file in files}
            return _open_pictures(pictures, "folder", limits, as_shown)
        if not path.is_file():
            raise InvalidRequest(
                f"{shown(str(path))} is neither a file nor a folder. Give a clip's path."
            )
        limits.check_bytes(path.stat().st_size)
        return open_bytes(path.read_bytes(), limits, as_shown=as_shown)
    except OSError as error:
        raise InvalidRequest(
            f"{shown(str(path))} can't be read: {error.strerror}. Give a clip's path."
        ) from error


def open_any(
    clip: str | os.PathLike[str] | bytes | IO[bytes] | npt.NDArray[np.uint8] | Source,
    *,
    as_shown: bool = True,
) -> Source:
    """Open a path, bytes, an opened file or frames; an opened source stays as it was opened.

    Args:
        clip: as of `open_path`, `open_bytes` and `open_frames`.
        as_shown: as `open_bytes`.

    Raises:
        InvalidRequest, UnsupportedMedia, MalformedClip, TooLarge, MissingExtra: as those.
    """
    if isinstance(clip, Source):
        return clip
    if isinstance(clip, np.ndarray):
        return open_frames(clip)
    streamed = content(clip)
    if streamed is not None:
        return open_bytes(streamed, as_shown=as_shown)
    return open_path(as_path(clip), as_shown=as_shown)


def open_parts(
    parts: Mapping[str, bytes], limits: Limits = DEFAULT_LIMITS, *, as_shown: bool = True
) -> Source:
    """Open the pictures of a multipart request, in order of their numbers.

    Args:
        parts: PNG, JPEG, WebP or BMP files by name: `frame_000`, `frame_001`, …, numbered one by
            one from 0 or 1.
        limits: what the clip may cost; `max_bytes` is that of all parts together.
        as_shown: as `open_bytes`.

    Raises:
        InvalidRequest: no parts, another name, or a number that is missing or repeated.
        MalformedClip: a part is not a picture, is damaged, or differs in size.
        TooLarge: over one of the limits.
    """
    limits.check_frames(len(parts))
    limits.check_bytes(sum(len(data) for data in parts.values()))
    numbers: dict[int, str] = {}
    for name in parts:
        match = _PART_NAME.fullmatch(name)
        if match is None:
            raise InvalidRequest(
                f"{shown(name)!r} is not a frame's name. Use frame_000, frame_001, …."
            )
        if (other := numbers.setdefault(int(match[1]), name)) != name:
            raise InvalidRequest(
                f"{shown(other)!r} and {shown(name)!r} are the same frame. Send it once."
            )
    if not numbers:
        raise InvalidRequest("There are no frames. Send parts frame_000, frame_001, ….")
    first = 0 if 0 in numbers else 1
    for number in range(first, first + len(numbers)):
        if number not in numbers:
            raise InvalidRequest(
                f"frame_{number:03} is missing between frame_{first:03} and "
                f"{numbers[max(numbers)]}. Number the frames one by one from 0 or 1."
            )
    names = [numbers[number] for number in sorted(numbers)]
    pictures = {name: bytes(parts[name]) for name in names}
    return _open_pictures(pictures, "parts", limits, as_shown)


def open_frames(
    frames: npt.NDArray[Any], fps: float | None = None, limits: Limits = DEFAULT_LIMITS
) -> Source:
    """Open frames in memory. They are copied only when they are read.

    Args:
        frames: uint8 [T, H, W, 3], RGB.
        fps: frames a second; None for frames without timestamps.
        limits: what the clip may cost; `max_bytes` does not apply.

    Raises:
        InvalidParameter: another dtype or shape, or an `fps` that is not a positive number.
        TooLarge: over a limit on pixels, frames or seconds.
    """
    return ArraySource(frames, fps, limits)


def _open_pictures(
    pictures: Mapping[str, bytes], name: str, limits: Limits, as_shown: bool
) -> StillsSource:
    digest = hashlib.sha256()
    for data in pictures.values():
        digest.update(data)
    stills = {member: partial(BytesIO, data) for member, data in pictures.items()}
    return StillsSource(stills, name, digest.hexdigest(), limits, as_shown=as_shown)


def _open_zip(data: bytes, sha256: str, limits: Limits, as_shown: bool) -> Source:
    archive = Archive(data, limits)
    if FRAMES in archive.members:
        return NpzSource(archive, sha256, limits)
    if archive.members and all(name.endswith(".npy") for name in archive.members):
        found = shown(", ".join(sorted(archive.members)[:5]))
        raise MalformedClip(
            f"The npz has no `frames`, but {found}. Save it with numpy.savez(file, frames=…, "
            "fps=…)."
        )
    archive.refuse_bombs()
    stills = {name: archive.opener(name) for name in in_order(archive.members)}
    return StillsSource(stills, "zip", sha256, limits, as_shown=as_shown)


def _open_video(data: bytes, name: str, sha256: str, limits: Limits, as_shown: bool) -> Source:
    with needs("video", "Without it, send a zip of frames or an npz."):
        from videovisual.clips.video import VideoSource  # noqa: PLC0415
    return VideoSource(data, name, sha256, limits, as_shown=as_shown)
