"""Format detection by the first bytes; file names and content types are ignored."""

from pathlib import Path

from videovisual.errors import InvalidRequest, UnsupportedMedia

VIDEO = ("mp4", "mov", "webm", "mkv", "avi", "gif", "mpegts", "mpeg", "wmv")
STILL = ("png", "jpeg", "webp", "bmp")
ACCEPTED = (
    "a video (mp4, mov, 3gp, webm, mkv, avi, gif, MPEG transport or program stream, wmv; codecs "
    "H.264, H.265, VP8, VP9, AV1, MPEG-1, -2 and -4, H.263, Windows Media, Motion JPEG), an "
    "animated WebP or PNG, a zip of PNG, JPEG, WebP or BMP frames, or an npz with uint8 `frames` "
    "[T, H, W, 3]"
)

_OTHER_VIDEO = {
    b"FLV": "Flash video (flv)",
    b"OggS": "Ogg (ogv)",
    b".RMF": "RealMedia (rm)",
    b"\x06\x0e\x2b\x34": "MXF",
    b"\x00\x00\x01\xb3": "a bare MPEG video stream (m2v)",
    b"\x00\x00\x00\x01": "a bare H.264 or H.265 stream",
    b"YUV4MPEG2": "uncompressed YUV4MPEG2 (y4m)",
    b"DKIF": "IVF",
}
"""Videos that are refused by name."""

_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1")
_STILL_FIRST_BYTES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "bmp": b"BM"}
_HEAD_BYTES = 1024
_DOCTYPE_BYTES = 64
_VIDEO_FIRST_BYTES = {
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"\x00\x00\x01\xba": "mpeg",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"): "wmv",
}
_TS_PACKET_BYTES = (188, 192, 204)
"""Of a transport stream: plain, with a time stamp before each packet (m2ts), with error correction
after it."""


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
        for head, other in _OTHER_VIDEO.items():
            if data.startswith(head):
                raise UnsupportedMedia(
                    f"The clip is {other}, which is not read. Convert it: ffmpeg -i IN OUT.mp4. "
                    f"Or send {ACCEPTED}.",
                    format=other,
                )
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
        return "webm" if b"webm" in data[:_DOCTYPE_BYTES] else "mkv"
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        return "avi"
    for head, name in _VIDEO_FIRST_BYTES.items():
        if data.startswith(head):
            return name
    return "mpegts" if _is_transport_stream(data) else None


def _is_transport_stream(data: bytes) -> bool:
    """Whether packets begin with the sync byte, where three of them would (ISO/IEC 13818-1)."""
    places = ((start, size) for size in _TS_PACKET_BYTES for start in (0, size - 188))
    return any(data[start : start + 3 * size : size] == b"GGG" for start, size in places)


def _still(data: bytes) -> str | None:
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    return next((name for name, head in _STILL_FIRST_BYTES.items() if data.startswith(head)), None)
