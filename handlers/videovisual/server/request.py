"""What arrived over HTTP → one clip's bytes and the options beside it."""

from __future__ import annotations

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
_SIZED = (str, bytes, bytearray)
PART_OVERHEAD = 2048
"""More bytes than a multipart boundary with its headers takes."""


@dataclass(frozen=True)
class Request:
    """A request as the server's adapter hands it over.

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

    def explains(self) -> bool:
        """Whether an explanation is asked for, as far as can be seen without reading it all."""
        named = "method" in self.parts or f"{HEADER_PREFIX}method" in self.headers
        body = self.parts.get("body")
        instances = body.get("instances") if isinstance(body, Mapping) else None
        bodies = [body, *(instances if isinstance(instances, list) else [])]
        return bool(
            self.explain
            or self.method
            or named
            or any(isinstance(each, Mapping) and each.get("method") for each in bodies)
        )

    def cancels(self) -> str | None:
        """The id of the request that this one gives up, if that is all that it is."""
        body = self.parts.get("body")
        parts = body if isinstance(body, Mapping) else self.parts
        if set(parts) != {"cancel"}:
            return None
        given = parts["cancel"]
        return _bytes(given).decode("utf-8", "replace") if not isinstance(given, str) else given

    def size(self) -> int:
        """Bytes that came in, without names and headers."""
        body = self.parts.get("body")
        parts = body if isinstance(body, Mapping) else self.parts
        return sum(len(part) for part in parts.values() if isinstance(part, _SIZED))


@dataclass(frozen=True)
class Intake:
    """A request, read: nothing decoded, nothing validated but its form.

    Attributes:
        video: the clip as one file's bytes, or None where it came as frames.
        frames: the clip's frames as image files, by part name.
        options: everything else, by name.
        kserve: whether it came in KServe's v1 envelope, so that the answer goes back in one.
    """

    video: bytes | None
    frames: Mapping[str, bytes]
    options: Mapping[str, Any]
    kserve: bool = False

    def open(self, limits: Limits) -> Source:
        """The clip's source.

        Raises:
            InvalidRequest, UnsupportedMedia, TooLarge: see `videovisual.clips`.
        """
        if self.video is not None:
            return clips.open_bytes(self.video, limits)
        return clips.open_parts(self.frames, limits)


def read(request: Request) -> Intake:
    """Sort a request into clip and options.

    Raises:
        InvalidRequest: no clip, more than one, broken JSON, base64 or UTF-8.
    """
    options: dict[str, Any] = {
        name[len(HEADER_PREFIX) :].replace("-", "_"): value
        for name, value in request.headers.items()
        if name.startswith(HEADER_PREFIX)
    }
    if request.method:
        options["method"] = request.method
    body = request.parts.get("body")
    if isinstance(body, Mapping):
        return _from_json(body, options)
    if "body" in request.parts and "json" in request.headers.get("content-type", ""):
        raise InvalidRequest(
            "The body is not valid JSON, or not an object. Send one such as "
            '{"video": "<base64>", "method": "grad_cam"}, or the video itself as the body.'
        )
    _check_no_part_lost(request)
    videos = {name: request.parts[name] for name in CLIP_PARTS if name in request.parts}
    frames = {
        name: _bytes(value)
        for name, value in request.parts.items()
        if name.startswith(FRAME_PREFIX)
    }
    for name, value in request.parts.items():
        if name not in videos and name not in frames:
            options[name] = _text(name, value)
    return _one_clip(videos, frames, options)


def _from_json(body: Mapping[str, Any], options: dict[str, Any]) -> Intake:
    kserve = "instances" in body
    if kserve:
        instances = body["instances"]
        if not isinstance(instances, list) or len(instances) != 1:
            raise InvalidRequest(
                "`instances` must be a list of exactly one clip. Send one request a clip: "
                "the server runs them together.",
            )
        shared = {name: value for name, value in body.items() if name != "instances"}
        instance = instances[0]
        body = {**shared, **(instance if isinstance(instance, Mapping) else {"video": instance})}
    videos = {name: _base64(name, body[name]) for name in CLIP_PARTS if body.get(name) is not None}
    frames = {
        name: _base64(name, value) for name, value in body.items() if name.startswith(FRAME_PREFIX)
    }
    for name, value in body.items():
        if name not in CLIP_PARTS and name not in frames:
            options[name] = value
    return _one_clip(videos, frames, options, kserve=kserve)


def _one_clip(
    videos: Mapping[str, Any],
    frames: Mapping[str, bytes],
    options: Mapping[str, Any],
    *,
    kserve: bool = False,
) -> Intake:
    count = len(videos) + bool(frames)
    if count == 0:
        raise InvalidRequest(
            "There is no clip. Send a multipart part `video`, parts `frame_000`, `frame_001`, …, "
            "a raw body, or JSON with `video` in base64."
        )
    if count > 1:
        names = [*videos, *(["frame_…"] if frames else [])]
        raise InvalidRequest(
            f"There are {count} clips ({', '.join(names)}). Send one request a clip.",
            clips=names,
        )
    video = next((_bytes(value) for value in videos.values()), None)
    if video is not None and not video:
        raise InvalidRequest("The clip is empty: 0 bytes arrived. Send a video file.")
    return Intake(video, frames, options, kserve)


def _check_no_part_lost(request: Request) -> None:
    """Of parts with the same name only the last arrives; their sizes give that away."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or "multipart" not in request.headers.get("content-type", ""):
        return
    arrived = sum(len(_bytes(value)) + PART_OVERHEAD for value in request.parts.values())
    if int(length) > arrived + PART_OVERHEAD:
        raise InvalidRequest(
            "Two parts of the request have the same name, so one of them was lost. Send one "
            "`video`, and frames as `frame_000`, `frame_001`, …",
            sent_bytes=int(length),
        )


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return repr(value).encode()


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


def _base64(name: str, value: Any) -> bytes:
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
