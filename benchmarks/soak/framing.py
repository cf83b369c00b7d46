"""Damage to HTTP: first line, headers, form and length."""

import random
from collections.abc import Callable
from dataclasses import replace

from benchmarks.soak.damage import damaged
from benchmarks.soak.message import BOUNDARY, Message, Part, form

TYPES = (
    *("", "text/plain", "application/json", "application/json; charset=utf-16", "video/mp4"),
    *("multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=a"),
    *(
        f"multipart/form-data; boundary=other{BOUNDARY}",
        "multipart/form-data; boundary=" + "b" * 900,
    ),
    *(
        f'multipart/form-data; boundary="{BOUNDARY}"',
        "application/x-www-form-urlencoded",
        "a" * 4000,
    ),
    *("JSON", ";;;", "application/json, text/html", "multipart/form-data; charset=é"),
)
METHODS = ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "post", "BREW", "CONNECT", "TRACE")
PATHS = (
    *("/predictions/nothing", "/predictions/", "/predictions", "/", "//", "/predictions/{m}/"),
    *(
        "/predictions/{m}/1.0",
        "/predictions/{m}/2.0",
        "/predictions/{m}/1.0/x/y",
        "/ping",
        "/metrics",
    ),
    *("/explanations/{m}", "/explanations/{m}/1.0/gradient", "/explanations/{m}/1.0/magic"),
    *(
        "/explanations/{m}/1.0/%00",
        "/explanations/{m}/9.9/gradient",
        "/explanations/{m}/1.0/%F0%9F",
    ),
    *("/v1/models/{m}:predict", "/v1/models/{m}:explain", "/v1/models/{m}"),
    "/v1/models/x:predict",
    *("/v2/models/{m}/infer", "/predictions/{m}?method=gradient", "/predictions/{m}%00", "/models"),
    *("/predictions/../models/{m}", "/predictions/{m}#a", "/predictions/%2e%2e", "*", "a b c"),
    *("http://127.0.0.1/predictions/{m}", "/predictions/" + "m" * 3000, "/" + "a" * 9000),
)
TOKENS = ("", "wrong", "x" * 4000, "Bearer", "é", "a b", "null", "' or 1=1", "\t")
HEADERS: tuple[tuple[str, str], ...] = (
    *(("X-VideoVisual-", "1"), ("X-VideoVisual-Top-K", "0"), ("X-VideoVisual-Top_K", "3")),
    *(("X-VideoVisual-Video", "a"), ("X-VideoVisual-Method", "gradient"), ("Explain", "True")),
    *(("X-VideoVisual-Target", "é"), ("X-VideoVisual-Seed", ""), ("X-VideoVisual-Body", "1")),
    *(("url_path", "gradient"), ("explain", "maybe"), ("Accept", "image/png"), ("Accept", "")),
    *(("Accept-Encoding", "br"), ("Content-Encoding", "gzip"), ("Expect", "100-continue")),
    *(("Expect", "miracles"), ("Upgrade", "h2c"), ("Connection", "close"), ("Connection", "")),
    *(("X", "a" * 7000), ("X", "a" * 20_000), ("X" * 3000, "a"), ("é", "é"), ("X", "\x00")),
    *(("Cookie", "a=b; " * 100), ("Range", "bytes=0-1"), ("Authorization", "Basic YTpi")),
    *(("Host", "evil"), ("X-Forwarded-For", "1.1.1.1"), ("x-request-id", "1"), ("Origin", "null")),
    *(("describe", "True"), ("Describe", "True"), ("X-VideoVisual-Describe", "True")),
    *(("request_id", "1"), ("X-VideoVisual-Timeout-S", "0.001"), ("X-VideoVisual-Cancel", "a")),
)
LENGTHS = ("0", "-1", "1", "abc", "99999999", "9" * 30, "10, 20", "1e3", "104857601", "", "+5")
CHUNKS = (
    b"0\r\n\r\n",
    b"zz\r\n",
    b"5\r\nab\r\n",
    b"-1\r\n",
    b"ffffffffffffffff\r\na",
    b"\r\n",
    b"",
)
PART_NAMES = (
    "",
    "vid\u00e9o",
    "video[]",
    "a" * 9000,
    "video; x=",
    "../video",
    "frame_000",
    "cancel",
)
ENCODINGS = ("base64", "quoted-printable", "binary", "x-none")


def misframed(made: Message, model: str, rng: random.Random) -> tuple[bytes, str]:
    """The request as bytes with one or two faults in its frame, and their names."""
    names = []
    for _ in range(rng.choice((1, 1, 2))):
        fault = rng.choice(FAULTS)
        made = fault(made, rng)
        names.append(fault.__name__.strip("_"))
    made = replace(made, path=made.path.replace("{m}", model))
    sent = made.to_bytes()
    if rng.random() < 0.2:
        split = min(len(sent), 700)
        head, name = damaged(sent[:split], rng)
        return head + sent[split:], "+".join((*names, name))
    return sent, "+".join(names)


def _type(made: Message, rng: random.Random) -> Message:
    return replace(made, content_type=rng.choice(TYPES))


def _verb(made: Message, rng: random.Random) -> Message:
    return replace(made, method=rng.choice(METHODS))


def _path(made: Message, rng: random.Random) -> Message:
    return replace(made, path=rng.choice(PATHS))


def _token(made: Message, rng: random.Random) -> Message:
    return replace(made, token=rng.choice(TOKENS))


def _version(made: Message, rng: random.Random) -> Message:
    return replace(made, version=rng.choice(("HTTP/1.0", "HTTP/2.0", "HTTP/1.1 x", "", "RTSP/1.0")))


def _headers(made: Message, rng: random.Random) -> Message:
    return replace(made, headers=(*made.headers, *rng.choices(HEADERS, k=rng.choice((1, 2, 5)))))


def _many_headers(made: Message, rng: random.Random) -> Message:
    count = rng.choice((20, 100, 1000))
    return replace(made, headers=tuple((f"X-VideoVisual-A{at}", "1") for at in range(count)))


def _length(made: Message, rng: random.Random) -> Message:
    return replace(made, headers=(*made.headers, ("Content-Length", rng.choice(LENGTHS))))


def _chunked(made: Message, rng: random.Random) -> Message:
    body = form(made.parts) if made.parts else made.body
    kind = f"multipart/form-data; boundary={BOUNDARY}" if made.parts else made.content_type
    size = rng.choice((1000, 60_000))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    headers = (*made.headers, ("Transfer-Encoding", rng.choice(("chunked", "chunked", "gzip"))))
    return replace(
        made, body=coded + rng.choice(CHUNKS), parts=(), content_type=kind, headers=headers
    )


def _parts(made: Message, rng: random.Random) -> Message:
    """Parts are lost, doubled, renamed, or called a file of another type."""
    if not made.parts:
        return _type(made, rng)
    parts = list(made.parts)
    at = rng.randrange(len(parts))
    how = rng.randrange(5)
    if how == 0:
        del parts[at]
    elif how == 1:
        parts.insert(rng.randrange(len(parts)), parts[at])
    elif how == 2:
        parts[at] = replace(parts[at], name=rng.choice(PART_NAMES))
    elif how == 3:
        parts[at] = replace(parts[at], filename=rng.choice(("", "a" * 5000, "../x", 'a"b', "é")))
    else:
        parts[at] = replace(parts[at], content_type=rng.choice(TYPES[1:]))
    return replace(made, parts=tuple(parts))


def _frames(made: Message, rng: random.Random) -> Message:
    """Frames beside the clip, or with gaps between them."""
    part = made.parts[-1] if made.parts else Part("video", made.body)
    numbers = rng.sample(range(40), rng.choice((1, 3, 16)))
    added = tuple(replace(part, name=f"frame_{number:03}") for number in numbers)
    return replace(made, body=b"", parts=(*made.parts[: rng.randrange(3)], *added))


def _form(made: Message, rng: random.Random) -> Message:
    """The form's own text is damaged."""
    if not made.parts:
        return _type(made, rng)
    body = form(made.parts)
    mark = f"--{BOUNDARY}".encode()
    damaged_body = rng.choice(
        (
            body.replace(b"\r\n", b"\n"),
            body.removesuffix(b"--\r\n"),
            body.replace(b"form-data", b"attachment", 1),
            body.replace(b"Content-Disposition", b"X-Disposition", 1),
            body.replace(mark, mark + b" ", 1),
            body.replace(b'name="', b"name=", 1),
            body.replace(
                b"\r\n\r\n",
                b"\r\nContent-Transfer-Encoding: %s\r\n\r\n" % rng.choice(ENCODINGS).encode(),
                1,
            ),
            b"preamble\r\n" + body + b"epilogue",
            mark + b"--\r\n",
            mark * 50 + b"\r\n" + body,
            damaged(body, rng)[0],
        )
    )
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return replace(made, parts=(), body=damaged_body, content_type=kind)


FAULTS: tuple[Callable[[Message, random.Random], Message], ...] = (
    *(_type, _verb, _path, _path, _token, _version, _headers, _headers, _many_headers, _length),
    *(_chunked, _parts, _parts, _frames, _form, _form),
)
