"""How much of a clip is read before it is refused."""

from __future__ import annotations

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from videovisual.errors import TooLarge

MIB = 2**20


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Limits:
    """What a clip may cost. Each is checked on the numbers, before anything is allocated.

    Attributes:
        max_bytes: bytes of the upload, the file, or all parts together.
        max_pixels: width × height of one source frame.
        max_frames: frames in the source, wanted or not.
        max_seconds: length of the source, in seconds.
        max_decoded_bytes: bytes of the frames that one read holds, `frames * H * W * 3`; also
            the most that the members of a zip may declare to inflate to.
    """

    max_bytes: int = 64 * MIB
    max_pixels: int = 4096 * 2304
    max_frames: int = 20_000
    max_seconds: float = 900.0
    max_decoded_bytes: int = 1024 * MIB

    def check_bytes(self, size: int) -> None:
        """Refuse more than `max_bytes`.

        Raises:
            TooLarge: as do all checks of this class.
        """
        if size > self.max_bytes:
            raise TooLarge(
                f"The clip is {size / MIB:.1f} MiB; at most {self.max_bytes / MIB:.1f} MiB are "
                "read. Cut it, or encode it smaller.",
                limit="max_bytes",
                allowed=self.max_bytes,
                found=size,
            )

    def check_pixels(self, width: int, height: int, where: str = "The clip") -> None:
        """Refuse frames of more than `max_pixels`."""
        if width * height > self.max_pixels:
            raise TooLarge(
                f"{where} is {width}×{height}; at most {self.max_pixels} pixels a frame are read, "
                "e.g. 4096×2304 at the default. Scale it down.",
                limit="max_pixels",
                allowed=self.max_pixels,
                found=width * height,
            )

    def check_frames(self, count: int) -> None:
        """Refuse more than `max_frames` source frames."""
        if count > self.max_frames:
            raise TooLarge(
                f"The clip has {count} or more frames; at most {self.max_frames} are read. Cut it.",
                limit="max_frames",
                allowed=self.max_frames,
                found=count,
            )

    def check_seconds(self, seconds: float) -> None:
        """Refuse more than `max_seconds`."""
        if seconds > self.max_seconds:
            raise TooLarge(
                f"The clip lasts {seconds:.1f} s; at most {self.max_seconds:.1f} s are read. "
                "Cut it.",
                limit="max_seconds",
                allowed=self.max_seconds,
                found=seconds,
            )

    def check_decoded(self, frames: int, width: int, height: int) -> None:
        """Refuse to hold more than `max_decoded_bytes` of RGB frames at once."""
        size = frames * width * height * 3
        if size > self.max_decoded_bytes:
            raise TooLarge(
                f"{frames} frames of {width}×{height} take {size / MIB:.1f} MiB decoded; at most "
                f"{self.max_decoded_bytes / MIB:.1f} MiB are held. Ask for fewer frames, or scale "
                "the clip down.",
                limit="max_decoded_bytes",
                allowed=self.max_decoded_bytes,
                found=size,
            )

    def check_inflated(self, size: int) -> None:
        """Refuse an archive whose members declare more than `max_decoded_bytes`."""
        if size > self.max_decoded_bytes:
            raise TooLarge(
                f"The archive inflates to {size / MIB:.1f} MiB; at most "
                f"{self.max_decoded_bytes / MIB:.1f} MiB are allowed. Send fewer or smaller "
                "frames.",
                limit="max_decoded_bytes",
                allowed=self.max_decoded_bytes,
                found=size,
            )
