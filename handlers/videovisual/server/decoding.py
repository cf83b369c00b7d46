"""JSON bodies and base64 from untrusted clients → values, at a bounded cost."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from videovisual.errors import InvalidRequest
from videovisual.utils.text import shown
from videovisual.utils.validation import repeated_name

MAX_JSON_VALUES = 20_000
"""Most values in a JSON body: an empty list takes 60 bytes of memory, and 3 in the body."""

BASE64_COPIES = 3
"""Most copies of a base64 text that exist while it is decoded."""

_SPACE = b" \t\r\n\f\v"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
EXAMPLE = '{"video": "<base64>", "method": "grad_cam"}, or the video itself as the body'


def from_json(
    body: bytes | bytearray | str, most: int = MAX_JSON_VALUES, example: str = EXAMPLE
) -> Mapping[str, Any]:
    """A JSON object.

    Args:
        body: its text.
        most: values that it may have.
        example: what a message shows.

    Raises:
        InvalidRequest: not JSON, not an object, too many values, or a name that is given twice.
    """
    data = body.encode("utf-8", "replace") if isinstance(body, str) else body
    # Every value but the first follows one of these; inside of strings they are few.
    if sum(data.count(sign) for sign in b",[{") > most:
        raise InvalidRequest(
            f"The JSON body has more than {most} values. Send the clip as one base64 "
            f"string: {example}."
        )
    try:
        found = json.loads(data, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        raise InvalidRequest(
            f"The body is not valid JSON, or not an object. Send one such as {example}."
        )
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    name = repeated_name(pairs)
    if name is not None:
        raise InvalidRequest(
            f"The JSON body gives {shown(name)!r} twice. Give it once; several targets are a list.",
            part=shown(name),
        )
    return dict(pairs)


def from_base64(name: str, value: Any) -> bytes:
    """The bytes of a base64 text, or of `{"b64": text}`.

    The text may be a `data:` URL, have line breaks, be URL-safe, and lack its padding.

    Raises:
        InvalidRequest: it is none of these.
    """
    text = value.get("b64") if isinstance(value, Mapping) else value
    try:
        if not isinstance(text, str):
            raise TypeError
        if text.startswith("data:"):
            head, _, text = text.partition(",")
            if not head.endswith(";base64"):
                raise ValueError
        data = text.encode("ascii").translate(_URL_SAFE, _SPACE)
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise InvalidRequest(
            f"`{shown(name)}` is not base64. Send the file's bytes in base64, as a string or as "
            '{"b64": "…"}.',
            part=shown(name),
        ) from None
