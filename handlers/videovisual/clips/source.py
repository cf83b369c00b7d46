"""Opened clips: their description, and their frames on demand."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.clips.limits import Limits
from videovisual.errors import InvalidParameter, MalformedClip

Frames = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SourceInfo:
    """The description of a clip.

    Attributes:
        format: `mp4`, `mov`, `webm`, `mkv`, `avi`, `gif`, `apng`, `webp`; `zip`, `npz`, `parts`,
            `folder`, `frames`; `png`, `jpeg`, `webp`, `bmp` for a single picture.
        codec: FFmpeg's name of the codec, e.g. `h264`; None if the clip is not a video.
        width, height: of a frame, in pixels, as it is shown.
        frame_count: frames in the source.
        duration_s: seconds from the start of the first frame to the end of the last; None for
            frames without timestamps.
        fps: mean frames a second; None for frames without timestamps.
        sha256: SHA-256 of the received bytes, in hexadecimal. Parts and folders: of all files'
            bytes in order. Arrays: of the shape (int64, little endian) and the pixels.
        shown: what was done to stored pixels to show them as a player does, only where something
            was: `crop` (`left`, `top`, `right`, `bottom`, in stored pixels), `sample_aspect`
            (`"4:3"`), `rotation` (clockwise, in degrees), `mirrored` (before the rotation),
            `transfer` (`pq` or `hlg`, mapped to BT.709), `exif_orientation` (of pictures).
            `as_shown` is False if the stored pixels were asked for.
    """

    format: str
    codec: str | None
    width: int
    height: int
    frame_count: int
    duration_s: float | None
    fps: float | None
    sha256: str
    shown: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The description as JSON values, for the provenance; without `shown` if it is empty."""
        facts = {each.name: getattr(self, each.name) for each in fields(self)}
        return facts if self.shown else {k: v for k, v in facts.items() if k != "shown"}


def _nothing() -> None:
    """Lets a read go on."""


class Source(ABC):
    """An opened clip, as `open_bytes`, `open_path`, `open_parts` and `open_frames` return it.

    It holds no open file and no decoder between reads. Threads may read at the same time.

    Attributes:
        info: the description of the clip.
        times: float64 [frame_count], start of each frame in seconds from the first, in
            presentation order, strictly increasing; None for frames without timestamps.
        limits: what a read may cost.
        before_frame: called before each frame of a read is kept; what it raises ends the read.
    """

    def __init__(self, info: SourceInfo, times: Times | None, limits: Limits) -> None:
        self.before_frame: Callable[[], None] = _nothing
        self.info = info
        self.times = times
        self.limits = limits

    def read(self, indices: Sequence[int]) -> Frames:
        """Decode some frames.

        Args:
            indices: frame indices from 0 in presentation order; in any order, also repeated.

        Returns:
            uint8 [len(indices), H, W, 3], RGB.

        Raises:
            InvalidParameter: an index that the clip doesn't have.
            TooLarge: the frames together are over `limits.max_decoded_bytes`.
            MalformedClip: a frame can't be decoded, or differs in size from the clip.
        """
        places: dict[int, list[int]] = {}
        for place, index in enumerate(indices):
            places.setdefault(int(index), []).append(place)
        wanted = sorted(places)
        if wanted and not 0 <= wanted[0] <= wanted[-1] < self.info.frame_count:
            raise InvalidParameter(
                f"The clip has frames 0 to {self.info.frame_count - 1}, not "
                f"{wanted[0] if wanted[0] < 0 else wanted[-1]}.",
                frame_count=self.info.frame_count,
            )
        height, width = self.info.height, self.info.width
        self.limits.check_decoded(len(indices), width, height)
        frames = np.empty((len(indices), height, width, 3), np.uint8)
        missing = set(wanted)
        with closing(self._decode(wanted)) as decoded:
            for index, frame in decoded:
                self.before_frame()
                if frame.shape != (height, width, 3):
                    raise MalformedClip(
                        f"Frame {index} is {frame.shape[1]}×{frame.shape[0]}, but the clip is "
                        f"{width}×{height}. All frames must have one size: encode it again.",
                        frame=index,
                    )
                frames[places[index]] = frame
                missing.discard(index)
        if missing:
            raise MalformedClip(
                f"{len(missing)} of {len(wanted)} frames can't be decoded, the first is frame "
                f"{min(missing)} of {self.info.frame_count}. The file is damaged: send it again, "
                "or choose another part with start_s and end_s.",
                frame=min(missing),
                missing=len(missing),
            )
        return frames

    @abstractmethod
    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        """Yield (index, uint8 [H, W, 3]) of each `wanted` frame; indices are sorted and unique."""
