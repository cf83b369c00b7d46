"""What arrived over HTTP → a clip, the options beside it, and what the request costs."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from videovisual import clips
from videovisual.clips import Limits, Source
from videovisual.errors import InvalidRequest
from videovisual.protocol import HEADER_PREFIX

CLIP_PARTS = ("video", "data", "body")
FRAME_PREFIX = "frame_"
PART_OVERHEAD = 2048
"""Bytes that bound the size of a multipart boundary with its headers."""


@dataclass(frozen=True)
class Request:
    """A request as a server's adapter hands it over.

    Attributes:
        parts: multipart parts by name, or `body`; a JSON body is a dict.
        headers: by lower-case name.
        explain: whether it came to an explain route.
        method: the method that the route's path named.
    """

    parts: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    explain: bool = False
    method: str | None = None


@dataclass(frozen=True)
class ParsedRequest:
    """A request, sorted. Its clip is neither decoded nor copied, its options are not validated.

    Attributes:
        video: the clip as one file, as it arrived, or None where it came as frames.
        frames: the clip's frames as image files, as they arrived, by part name.
        options: everything else, by name.
        explain: whether an explanation is asked for.
        cancel: the id of the request that this one cancels; all else is then empty.
        encoded: whether the clip is in base64.
        kserve: whether it came in KServe's v1 envelope, so that the answer goes back in one.
    """

    video: Any = None
    frames: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    explain: bool = False
    cancel: str | None = None
    encoded: bool = False
    kserve: bool = False

    @property
    def size(self) -> int:
        """Bytes that the request holds: its options, and its clip, as it came and decoded."""
        clip = sum(_length(part) for part in (self.video, *self.frames.values()))
        options = sum(_length(value) for value in self.options.values())
        return options + clip + (3 * clip // 4 if self.encoded else 0)

    def decoded(self) -> "ParsedRequest":
        """The same request with its clip as bytes.

        Raises:
            InvalidRequest: the clip is empty, or is not base64.
        """
        decode = _from_base64 if self.encoded else lambda _name, part: _bytes(part)
        video = None if self.video is None else decode("video", self.video)
        if video is not None and not video:
            raise InvalidRequest("The clip is empty: 0 bytes arrived. Send a video file.")
        frames = {name: decode(name, part) for name, part in self.frames.items()}
        return ParsedRequest(video, frames, self.options, self.explain, kserve=self.kserve)

    def open(self, limits: Limits) -> Source:
        """The source of a decoded request's clip.

        Raises:
            InvalidRequest, UnsupportedMedia, TooLarge: see `videovisual.clips`.
        """
        if self.video is not None:
            return clips.open_bytes(self.video, limits)
        return clips.open_parts(self.frames, limits)


def parse(request: Request) -> ParsedRequest:
    """Sort a request into clip and options.

    Raises:
        InvalidRequest: no clip, more than one, broken JSON, or an option that is not UTF-8.
    """
    body = request.parts.get("body")
    is_json = isinstance(body, Mapping)
    parts: Mapping[str, Any] = body if isinstance(body, Mapping) else request.parts
    if set(parts) == {"cancel"}:
        return ParsedRequest(cancel=_bytes(parts["cancel"]).decode("utf-8", "replace"))
    if "body" in parts and "json" in request.headers.get("content-type", ""):
        raise InvalidRequest(
            "The body is not valid JSON, or not an object. Send one such as "
            '{"video": "<base64>", "method": "grad_cam"}, or the video itself as the body.'
        )
    if not is_json:
        _check_no_part_lost(request)
    kserve = is_json and "instances" in parts
    if kserve:
        parts = _only_instance(parts)
    videos = {name: parts[name] for name in CLIP_PARTS if parts.get(name) is not None}
    frames = {name: part for name, part in parts.items() if name.startswith(FRAME_PREFIX)}
    _check_one_clip(videos, frames)
    options = _options_from_headers(request)
    for name, value in parts.items():
        if name not in CLIP_PARTS and name not in frames:
            options[name] = _typed(name, value) if is_json else _text(name, value)
    return ParsedRequest(
        video=next(iter(videos.values()), None),
        frames=frames,
        options=options,
        explain=request.explain or bool(options.get("method")),
        encoded=is_json,
        kserve=kserve,
    )


def _options_from_headers(request: Request) -> dict[str, Any]:
    options: dict[str, Any] = {
        name[len(HEADER_PREFIX) :].replace("-", "_"): value
        for name, value in request.headers.items()
        if name.startswith(HEADER_PREFIX)
    }
    if request.method:
        options["method"] = request.method
    return options


def _only_instance(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """KServe's v1 envelope → the one instance in it, with the options beside the envelope."""
    instances = body["instances"]
    if not isinstance(instances, list) or len(instances) != 1:
        raise InvalidRequest(
            "`instances` must be a list of exactly one clip. Send one request a clip: "
            "the server runs them together."
        )
    shared = {name: value for name, value in body.items() if name != "instances"}
    instance = instances[0]
    return {**shared, **(instance if isinstance(instance, Mapping) else {"video": instance})}


def _check_one_clip(videos: Mapping[str, Any], frames: Mapping[str, Any]) -> None:
    names = [*videos, *(["frame_…"] if frames else [])]
    if not names:
        raise InvalidRequest(
            "There is no clip. Send a multipart part `video`, parts `frame_000`, `frame_001`, …, "
            "a raw body, or JSON with `video` in base64."
        )
    if len(names) > 1:
        raise InvalidRequest(
            f"There are {len(names)} clips ({', '.join(names)}). Send one request a clip.",
            clips=names,
        )


def _check_no_part_lost(request: Request) -> None:
    """Of parts with the same name only the last arrives; the request's length shows the loss."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or "multipart" not in request.headers.get("content-type", ""):
        return
    arrived = sum(_length(value) + PART_OVERHEAD for value in request.parts.values())
    if int(length) > arrived + PART_OVERHEAD:
        raise InvalidRequest(
            "Two parts of the request have the same name, so one of them was lost. Send one "
            "`video`, and frames as `frame_000`, `frame_001`, …",
            sent_bytes=int(length),
        )


def _length(part: Any) -> int:
    if isinstance(part, Mapping):
        part = part.get("b64")
    if isinstance(part, list):
        return sum(map(_length, part))
    return len(part) if isinstance(part, str | bytes | bytearray | memoryview) else 0


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return repr(value).encode()


def _typed(name: str, value: Any) -> Any:
    """A JSON string is one target's name, also where it would be a list in a form."""
    return [value] if name == "target" and isinstance(value, str) else value


def _text(name: str, value: Any) -> Any:
    if not isinstance(value, bytes | bytearray | memoryview):
        return value
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise InvalidRequest(
            f"The part {name[:80]!r} is not UTF-8 text. Options are text; the clip's part is "
            "called `video`.",
            part=name[:80],
        ) from None


def _from_base64(name: str, value: Any) -> bytes:
    if isinstance(value, Mapping):
        value = value.get("b64")
    try:
        if not isinstance(value, str):
            raise TypeError
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise InvalidRequest(
            f"`{name}` is not base64. Send the file's bytes in standard base64, as a string or "
            'as {"b64": "…"}.',
            part=name,
        ) from None
