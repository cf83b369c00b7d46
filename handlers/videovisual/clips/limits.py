"""How much of a clip is read before it is refused."""

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from videovisual.errors import TooLarge

MIB = 2**20


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Limits:
    """What a clip may cost. Sizes are checked before anything of that size is allocated.

    All `check_` methods raise TooLarge.

    Attributes:
        max_bytes: bytes of the upload, the file, or all parts together.
        max_pixels: width × height of one source frame.
        max_frames: frames in the source, whether they are used or not.
        max_seconds: length of the source, in seconds.
        max_decoded_bytes: bytes of the frames that one read holds, `frames * H * W * 3`; also
            the most that the members of a zip may declare to inflate to.
    """

    max_bytes: int = Field(default=64 * MIB, ge=1, le=2**40)
    max_pixels: int = Field(default=4096 * 2304, ge=1, le=2**31)
    max_frames: int = Field(default=20_000, ge=1, le=10**9)
    max_seconds: float = Field(default=900.0, gt=0, le=10**9)
    max_decoded_bytes: int = Field(default=1024 * MIB, ge=1, le=2**40)

    def check_bytes(self, size: int) -> None:
        """Refuse uploads of more than `max_bytes`."""
        self._check(
            "max_bytes",
            size,
            f"The clip is {size / MIB:.1f} MiB; at most {self.max_bytes / MIB:.1f} MiB are "
            "read. Cut it, or encode it smaller.",
        )

    def check_pixels(self, width: int, height: int, where: str = "The clip") -> None:
        """Refuse frames of more than `max_pixels`."""
        self._check(
            "max_pixels",
            width * height,
            f"{where} is {width}×{height}; at most {self.max_pixels} pixels a frame are read, "
            "e.g. 4096×2304 at the default. Scale it down.",
        )

    def check_frames(self, count: int) -> None:
        """Refuse sources of more than `max_frames`."""
        self._check(
            "max_frames",
            count,
            f"The clip has {count} or more frames; at most {self.max_frames} are read. Cut it.",
        )

    def check_seconds(self, seconds: float) -> None:
        """Refuse sources of more than `max_seconds`."""
        self._check(
            "max_seconds",
            seconds,
            f"The clip lasts {seconds:.6g} s; at most {self.max_seconds:.1f} s are read. Cut it.",
        )

    def check_decoded(self, frames: int, width: int, height: int) -> None:
        """Refuse reads of more than `max_decoded_bytes` of RGB frames."""
        size = frames * width * height * 3
        self._check(
            "max_decoded_bytes",
            size,
            f"{frames} frames of {width}×{height} take {size / MIB:.1f} MiB decoded; at most "
            f"{self.max_decoded_bytes / MIB:.1f} MiB are held. Ask for fewer frames, or scale "
            "the clip down.",
        )

    def check_inflated(self, size: int) -> None:
        """Refuse archives whose members declare more than `max_decoded_bytes`."""
        self._check(
            "max_decoded_bytes",
            size,
            f"The archive inflates to {size / MIB:.1f} MiB; at most "
            f"{self.max_decoded_bytes / MIB:.1f} MiB are allowed. Send fewer or smaller frames.",
        )

    def _check(self, limit: str, found: float, message: str) -> None:
        allowed = getattr(self, limit)
        if found > allowed:
            raise TooLarge(message, limit=limit, allowed=allowed, found=found)
