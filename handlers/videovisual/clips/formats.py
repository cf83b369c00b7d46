"""Format detection by the first bytes; file names and content types are ignored."""

from pathlib import Path

from videovisual.errors import InvalidRequest, UnsupportedMedia

VIDEO = ("mp4", "mov", "webm", "mkv", "avi", "gif")
STILL = ("png", "jpeg", "webp", "bmp")
ACCEPTED = (
    "a video (mp4, mov, webm, mkv, avi, gif; codecs H.264, H.265, VP8, VP9, AV1, MPEG-4 part 2, "
    "Motion JPEG), an animated WebP or PNG, a zip of PNG, JPEG, WebP or BMP frames, or an npz with "
    "uint8 `frames` [T, H, W, 3]"
)

_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_STILL_FIRST_BYTES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "bmp": b"BM"}
_HEAD_BYTES = 64


def sniff(data: bytes) -> str:
    """Detect the format: one of `VIDEO`, one of `STILL`, or `zip`.

    Raises:
        InvalidRequest: there are no bytes.
        UnsupportedMedia: another format; the message lists the allowed ones.
    """
    if not data:
        raise InvalidRequest(f"The clip is empty. Send {ACCEPTED}.")
    name = _video(data) or _still(data)
    if name is None and data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        name = "zip"
    if name is None:
        raise UnsupportedMedia(
            f"These {len(data)} bytes are not a clip. Send {ACCEPTED}.", first_bytes=data[:8].hex()
        )
    return name


def is_video(clip: Path | bytes) -> bool:
    """Whether a file's content is one of `VIDEO`; False if it can't be read."""
    if isinstance(clip, bytes):
        return _video(clip) is not None
    try:
        with clip.open("rb") as file:
            return _video(file.read(_HEAD_BYTES)) is not None
    except OSError:
        return False


def _video(data: bytes) -> str | None:
    if data[4:8] in _MP4_FIRST_BOXES and data[8:12] not in _STILL_BRANDS:
        return "mov" if data[4:8] != b"ftyp" or data[8:12] == b"qt  " else "mp4"
    if data.startswith(b"\x1aE\xdf\xa3"):
        return "webm" if b"webm" in data[:_HEAD_BYTES] else "mkv"
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        return "avi"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    return None


def _still(data: bytes) -> str | None:
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    return next((name for name, head in _STILL_FIRST_BYTES.items() if data.startswith(head)), None)
