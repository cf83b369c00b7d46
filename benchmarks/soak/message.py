"""HTTP requests as bytes."""

import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from videovisual.protocol import HEADER_PREFIX

BOUNDARY = "a2f1c0d4e85b4b7f"


@dataclass(frozen=True)
class Part:
    """One part of a form."""

    name: str
    data: bytes
    filename: str | None = None
    content_type: str | None = None

    def to_bytes(self) -> bytes:
        """The part with its headers, without a boundary."""
        filename = "" if self.filename is None else f'; filename="{self.filename}"'
        kind = f"Content-Type: {self.content_type}\r\n" if self.content_type else ""
        head = f'Content-Disposition: form-data; name="{self.name}"{filename}\r\n{kind}\r\n'
        return head.encode("utf-8", "surrogatepass") + self.data


@dataclass(frozen=True)
class Message:
    """A request.

    Attributes:
        path: what the first line asks for.
        body: the body, if it is no form.
        parts: the form's parts, if it is one.
        content_type: of the body; None leaves the header out.
        headers: further headers.
        method: the verb.
        version: the first line's end.
    """

    path: str
    token: str
    body: bytes = b""
    parts: tuple[Part, ...] = ()
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=())
    method: str = "POST"
    version: str = "HTTP/1.1"

    def to_bytes(self) -> bytes:
        """The request as it is sent."""
        body = form(self.parts) if self.parts else self.body
        kind = f"multipart/form-data; boundary={BOUNDARY}" if self.parts else None
        kind = self.content_type or kind
        lines = [f"{self.method} {self.path} {self.version}", "Host: 127.0.0.1"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        if kind is not None:
            lines.append(f"Content-Type: {kind}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        given = {name.lower() for name, _ in self.headers}
        if not given & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("utf-8", "surrogatepass") + body


def form(parts: tuple[Part, ...], boundary: str = BOUNDARY) -> bytes:
    """A form's body."""
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + part.to_bytes() + b"\r\n" for part in parts) + mark + b"--\r\n"


FORMS = ("form", "form", "form", "raw", "json", "kserve")
"""The forms in which a clip may come; most come as a form."""


def message(
    model: str, token: str, clip: bytes, options: Mapping[str, Any], form: str = "form"
) -> Message:
    """A request about a clip, in one of `FORMS`."""
    whole = Message(f"/predictions/{model}", token)
    if form == "form":
        fields = tuple(Part(name, text(value).encode()) for name, value in options.items())
        return replace(whole, parts=(*fields, Part("video", clip, "clip", "video/mp4")))
    if form == "raw":
        headers = tuple(
            (HEADER_PREFIX + name.replace("_", "-"), text(value).replace("\n", " "))
            for name, value in options.items()
        )
        kind = "application/octet-stream"
        return replace(whole, body=clip, content_type=kind, headers=headers)
    encoded: Any = base64.b64encode(clip).decode()
    document: dict[str, Any] = {"video": encoded, **options}
    if form == "kserve":
        document = {"instances": [{"video": {"b64": encoded}}], **options}
        whole = replace(whole, path=f"/v1/models/{model}:predict")
    return replace(whole, body=json.dumps(document).encode(), content_type="application/json")


def text(value: Any) -> str:
    """An option's value in a form or a header."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return json.dumps(value)


def any_form(rng: random.Random) -> str:
    """One of `FORMS`."""
    return rng.choice(FORMS)
