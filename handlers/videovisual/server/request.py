"""What arrived over HTTP → a clip, the options beside it, and what the request costs."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from videovisual import clips
from videovisual.clips import Limits, Source
from videovisual.errors import InvalidParameter, InvalidRequest, UnsupportedMedia
from videovisual.protocol import HEADER_PREFIX
from videovisual.server.decoding import BASE64_COPIES, from_base64, from_json
from videovisual.server.inference_protocol import v1, v2
from videovisual.server.inference_protocol.tensors import Frames
from videovisual.utils.text import shown

CLIP_PARTS = ("video", "data", "body")
FRAME = re.compile(r"frame_\d+", re.ASCII)
"""Names of frames; `frame_cells` is an option."""

ABOUT_REQUESTS = ("cancel", "job_state", "job_result")
"""A body with one of these alone is about the request of that id."""


class Repeated(list[Any]):
    """The values of several multipart parts of one name, in their order."""


@dataclass(frozen=True)
class Request:
    """A request as a server's adapter hands it over.

    Attributes:
        parts: multipart parts by name, or `body`; a JSON body is bytes or a dict.
        headers: by lower-case name.
        explain: whether it came to an explain route.
        method: the method that the route's path named.
        query: options of the address.
        inference: whether it is of the open inference protocol, version 2.
    """

    parts: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    explain: bool = False
    method: str | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    inference: bool = False

    @property
    def json_memory(self) -> int:
        """The most bytes of memory that reading its JSON takes, beside the JSON itself."""
        body = self.parts.get("body")
        return v2.json_memory(body) if self.inference and isinstance(body, bytes) else 0

    def with_parts(self, parts: Mapping[str, Any]) -> "Request":
        """The same request with these parts."""
        return replace(self, parts=parts)


@dataclass(frozen=True)
class ParsedRequest:
    """A request, sorted. Its clip is neither decoded nor copied, its options are not validated.

    Attributes:
        video: the clip as one file, as it arrived, or None where it came as frames.
        frames: the clip's frames as image files, as they arrived, by part name.
        options: everything else, by name.
        explain: whether an explanation is asked for.
        about: what is wanted of another request, one of `ABOUT_REQUESTS`, and its id; all else is
            then empty.
        encoded: whether the clip is in base64.
        array: the clip as frames, uint8 [T, H, W, 3].
        verb: of the open inference protocol's version 1, in whose envelope the answer goes back.
        inference: what version 2 says of the answer.
    """

    video: Any = None
    frames: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    explain: bool = False
    about: tuple[str, str] | None = None
    encoded: bool = False
    array: Frames | None = None
    verb: v1.Verb | None = None
    inference: v2.Inference | None = None

    @property
    def size(self) -> int:
        """Bytes that the request holds: its options, and its clip, as it came and decoded."""
        clip = sum(_length(part) for part in (self.video, *self.frames.values()))
        options = sum(_length(value) for value in self.options.values())
        frames = 0 if self.array is None else self.array.nbytes
        return options + frames + clip + (BASE64_COPIES * clip if self.encoded else 0)

    def sha256(self) -> str:
        """The digest of the clip and of all options."""
        said = (sorted(self.options.items()), self.explain, self.verb)
        digest = hashlib.sha256(repr(said).encode())
        for name, part in sorted({**self.frames, "video": self.video}.items()):
            data = _bytes(part)
            digest.update(f"{name} {len(data)} ".encode())
            digest.update(data)
        return digest.hexdigest()

    def decoded(self) -> "ParsedRequest":
        """The same request with its clip as bytes.

        Raises:
            InvalidRequest: the clip is empty, or is not base64.
        """
        decode = from_base64 if self.encoded else lambda _name, part: _bytes(part)
        video = None if self.video is None else decode("video", self.video)
        if video is not None and not video:
            raise InvalidRequest("The clip is empty: 0 bytes arrived. Send a video file.")
        frames = {name: decode(name, part) for name, part in self.frames.items()}
        return replace(self, video=video, frames=frames, encoded=False)

    def open(self, limits: Limits, *, as_shown: bool = True) -> Source:
        """The source of a decoded request's clip.

        Args:
            limits: what the clip may cost.
            as_shown: whether frames are those that a player shows, or the stored pixels.

        Raises:
            InvalidRequest, UnsupportedMedia, TooLarge: see `videovisual.clips`.
        """
        if self.array is not None:
            return clips.open_frames(self.array, limits=limits)
        if self.video is not None:
            return clips.open_bytes(self.video, limits, as_shown=as_shown)
        return clips.open_parts(self.frames, limits, as_shown=as_shown)


def opened(request: Request) -> Request:
    """The same request, with `inference` as it is, and the JSON of any other request read.

    Raises:
        InvalidRequest: broken JSON.
        UnsupportedMedia: a compressed body.
    """
    _check_not_compressed(request.headers)
    body = request.parts.get("body")
    inference = request.inference or v2.LENGTH_HEADER in request.headers
    is_json = "json" in request.headers.get("content-type", "") or v2.is_unnamed(body)
    if "body" in request.parts and is_json and not inference and not isinstance(body, Mapping):
        body = from_json(_bytes(body))
        request = request.with_parts({"body": body})
    inference = inference or (isinstance(body, Mapping) and v2.is_inference(body))
    return replace(request, inference=inference)


def parse(request: Request) -> ParsedRequest:
    """Sort a request into clip and options.

    Raises:
        InvalidRequest: no clip, more than one, broken JSON, or an option that is not UTF-8.
        UnsupportedMedia: a compressed body.
    """
    request = opened(request)
    if request.inference:
        return _inference(request)
    body = request.parts.get("body")
    is_json = isinstance(body, Mapping)
    parts: Mapping[str, Any] = body if isinstance(body, Mapping) else request.parts
    if len(parts) == 1 and (wanted := next(iter(parts))) in ABOUT_REQUESTS:
        return ParsedRequest(about=(wanted, _bytes(parts[wanted]).decode("utf-8", "replace")))
    enveloped = is_json and v1.is_enveloped(parts)
    if is_json:
        # A null is as good as nothing: many clients write one for what is not set.
        parts = {name: value for name, value in v1.unwrapped(parts).items() if value is not None}
    videos = {name: parts[name] for name in CLIP_PARTS if parts.get(name) is not None}
    frames = {name: part for name, part in parts.items() if FRAME.fullmatch(name)}
    _check_one_clip(videos, frames)
    options = _options_beside_the_body(request)
    for name, value in parts.items():
        if name not in CLIP_PARTS and name not in frames:
            options[name] = _typed(name, value) if is_json else _text(name, value)
    verb: v1.Verb = "explain" if request.explain else "predict"
    return ParsedRequest(
        video=next(iter(videos.values()), None),
        frames=frames,
        options=options,
        explain=request.explain or bool(options.get("method")),
        encoded=is_json,
        verb=verb if enveloped else None,
    )


def _inference(request: Request) -> ParsedRequest:
    """A request of version 2."""
    body = request.parts.get("body", b"")
    given = v2.parse(
        body if isinstance(body, Mapping) else _bytes(body), request.headers.get(v2.LENGTH_HEADER)
    )
    options = {**_options_beside_the_body(request), **given.options}
    for name in ("stream", "output", "job"):
        if options.pop(name, None) is not None:
            raise InvalidParameter(
                f"{name} is no option of this protocol: an answer has tensors. Leave it out, or "
                "send the clip to /predictions/MODEL.",
                parameter=name,
            )
    return ParsedRequest(
        video=given.video,
        options=options,
        explain=request.explain or bool(options.get("method")) or given.inference.explains,
        encoded=isinstance(given.video, str),
        array=given.frames,
        inference=given.inference,
    )


def _check_not_compressed(headers: Mapping[str, str]) -> None:
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        raise UnsupportedMedia(
            f"The body is compressed (Content-Encoding: {shown(coding)}), which is not read. Send "
            "it as it is: clips are compressed already."
        )


def _options_beside_the_body(request: Request) -> dict[str, Any]:
    options: dict[str, Any] = {
        name[len(HEADER_PREFIX) :].replace("-", "_"): value
        for name, value in request.headers.items()
        if name.startswith(HEADER_PREFIX)
    }
    options |= {name: _text(name, value) for name, value in request.query.items()}
    if request.method:
        options["method"] = request.method
    return options


def _check_one_clip(videos: Mapping[str, Any], frames: Mapping[str, Any]) -> None:
    for name, part in (*videos.items(), *frames.items()):
        if isinstance(part, Repeated):
            raise InvalidRequest(
                f"There are {len(part)} parts `{shown(name)}`. Send one `video`, or frames as "
                "`frame_000`, `frame_001`, …",
                clips=[shown(name)],
            )
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


def _length(value: Any) -> int:
    """Bytes of all texts in a value, however it is nested."""
    size, left = 0, [value]
    while left:
        each = left.pop()
        if isinstance(each, str | bytes | bytearray | memoryview):
            size += len(each)
        elif isinstance(each, Mapping | list):
            left.extend(each.values() if isinstance(each, Mapping) else each)
    return size


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
    if isinstance(value, Repeated):
        return [_text(name, each) for each in value]
    if not isinstance(value, bytes | bytearray | memoryview):
        return value
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise InvalidRequest(
            f"The part {shown(name)!r} is not UTF-8 text. Options are text; the clip's part is "
            "called `video`.",
            part=shown(name),
        ) from None
