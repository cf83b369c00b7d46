"""Seeded responses that are broken in one way or several: status line, headers, body, lines."""

from __future__ import annotations

import gzip
import json
import zlib
from random import Random
from typing import Any

from tests.unit.client.fake_server import answer
from tests.unit.client.raw_server import Raw

from videovisual.protocol import Array

ANSWER = answer().model_dump(mode="json")
ARRAY = ANSWER["explanations"][0]["map"]
PROGRESS = {"event": "progress", "step": 3, "of": 9, "eta_s": 4.5, "target": "ironing"}
PARTIAL = {"event": "partial", "method": "step", "target": "x", "map": ARRAY, "step": 3}
ERROR = {"error": {"code": "invalid_target", "message": "No.", "detail": {"allowed": ["a"]}}}
FULL = {"error": {"code": "overloaded", "message": "No.", "detail": {"retry_after_s": 1}}}
TORCHSERVE = {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed."}
LINES = [{"event": "accepted", "job": "j", "queue": 1}, PROGRESS, PARTIAL]
END = [{"event": "result", "answer": ANSWER}, {"event": "done"}]

JUNK: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**30, 1e308, "", "x", "nan", "-inf", "\x1b[2J\n", "y" * 5000),
    *([], [None], [[[]]], {}, {"": {}}, {"message": 1, "self": 2, "code": []}, [1e308, -1e308]),
]
TEXTS = [
    *(b"", b" ", b"null", b"[]", b"1", b'"x"', b"NaN", b"{}", b"{", b"\xff\xfe", b"\0" * 40),
    *(b"<html><h1>502 Bad Gateway</h1></html>", b"[" * 10**5, b'{"error":' * 10**4, b"\n" * 9),
    *(b'{"error": NaN}', b'{"error": 1e999}', b'{"error":"\\ud800"}', b"PK\x03\x04" + b"x" * 99),
]
STATUSES = [
    *(b"200", b"200", b"200", b"200", b"201", b"204", b"206", b"226", b"299", b"300", b"301"),
    *(b"302", b"307", b"308", b"304", b"400", b"401", b"403", b"404", b"407", b"408", b"413"),
    *(b"429", b"499", b"500", b"502", b"503", b"503", b"504", b"599", b"600", b"999", b"101"),
    *(b"abc", b"20", b"-200", b"2000"),
]
HEADERS = [
    *(b"Retry-After: Wed, 21 Oct 2099 07:28:00 GMT", b"Retry-After: nan", b"Retry-After: -1"),
    *(b"Retry-After: 1e999", b"Retry-After: " + b"9" * 5000, b"Retry-After: \xd9\xa3"),
    *(b"Retry-After: Foo, 99 Bar 99999 99:99:99 +9999", b"Retry-After: 0, 0"),
    *(b"Location: http://[::1", b"Location: //", b"Location: http://127.0.0.1:9/", b"Location:"),
    *(b"Set-Cookie: a=b; expires=" + b"9" * 99, b"Set-Cookie: \xff=\xff", b"X: " + b"y" * 10**5),
    *(b"Content-Type: text/html; charset=nope", b"Content-Type: \xff", b"no colon", b": empty"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: deflate", b"Content-Encoding: br, gzip, x"),
    *(b"Content-Length: -1", b"Content-Length: 1, 2", b"Content-Length: " + b"9" * 30),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Trailer: x"),
    *(b"Connection: keep-alive", b"Connection: upgrade\r\nUpgrade: websocket"),
]


def response(random: Random) -> Raw:
    """One response; some few are whole."""
    body = b"\n".join(lines(random)) if random.random() < 0.5 else text(random)
    head = [b"HTTP/1.1 %s OK" % random.choice(STATUSES)]
    if random.random() < 0.4:
        head += random.sample(HEADERS, random.randint(1, 3))
    if random.random() < 0.1:
        body = random.choice([gzip.compress, zlib.compress])(body)
        head.append(b"Content-Encoding: gzip")
    match random.randrange(6):
        case 0:
            body = chunked(random, body)
            head.append(b"Transfer-Encoding: chunked")
        case 1:
            head.append(b"Content-Length: %d" % max(0, len(body) + random.choice([-3, -1, 1, 9])))
        case 2 | 3:
            head.append(b"Content-Length: %d" % len(body))
    data = b"\r\n".join([*head, b"", b""]) + body
    if random.random() < 0.05:
        data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + data
    if random.random() < 0.05:
        data = damaged(random, data)
    return Raw(data, stalls=random.random() < 0.01)


def lines(random: Random) -> list[bytes]:
    """The lines of a stream."""
    events: list[Any] = [*LINES, *END]
    if random.random() < 0.3:
        events.insert(random.randrange(6), {"event": "error", "status": 422, **ERROR})
    if random.random() < 0.6:
        events = [mutated(random, event) if random.random() < 0.4 else event for event in events]
    data = [json.dumps(event).encode() for event in events]
    for _ in range(random.choice([0, 0, 1, 2])):
        at = random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data.insert(at, random.choice(TEXTS))
            case 1:
                data[at] = damaged(random, data[at])
            case 2:
                del data[at:]
                return [*data, b""] if random.random() < 0.5 else data
            case 3:
                data.insert(at, data[at])
    return [*data, b""]


def text(random: Random) -> bytes:
    """A body without lines."""
    kind = random.random()
    if kind < 0.2:
        return random.choice(TEXTS)
    whole = random.choice([ANSWER, ANSWER, ERROR, FULL, TORCHSERVE])
    for _ in range(random.choice([0, 1, 1, 2, 4])):
        whole = mutated(random, whole)
    data = json.dumps(whole).encode()
    return damaged(random, data) if kind > 0.85 else data


def mutated(random: Random, value: Any) -> Any:
    """A copy in which one value is junk, missing or another map."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.15:
        if isinstance(value, dict) and "dtype" in value:
            return array(random)
        return random.choice(JUNK)
    if isinstance(value, list):
        at = random.randrange(len(value))
        return [*value[:at], mutated(random, value[at]), *value[at + 1 :]]
    name = random.choice(list(value))
    if random.random() < 0.15:
        return {key: item for key, item in value.items() if key != name}
    return {**value, name: mutated(random, value[name])}


def array(random: Random) -> Any:
    """A map of another shape, or with other values."""
    import numpy as np

    values = np.full(8, random.choice([np.nan, np.inf, -np.inf, 0.5]), np.float32)
    encoded = Array.of(values.reshape(2, 2, 2)).model_dump(mode="json")
    shapes = [[2, 2, 2], [8], [-2, -2, 2], [0, 2, 2], [2, 2, 10**18], [2, 2, 3], [1, 2, 4]]
    encoded["shape"] = random.choice(shapes)
    encoded["dtype"] = random.choice(["float32", "float32", "object", "float64", "int32", "<f4"])
    if random.random() < 0.2:
        encoded["base64"] = random.choice(["", "!", "AAAA", encoded["base64"][:-2], "\xe9" * 44])
    return encoded


def damaged(random: Random, data: bytes) -> bytes:
    """Bytes with some cut off, changed or added."""
    at = random.randrange(len(data) + 1)
    match random.randrange(3):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + random.randbytes(random.randint(1, 4)) + data[at + 1 :]
    return data[:at] + random.choice(TEXTS)[:100] + data[at:]


def chunked(random: Random, body: bytes) -> bytes:
    """The body in chunks, of which one may be cut or of another size than it says."""
    size = random.randint(1, 2000)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    data = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
    if random.random() < 0.3:
        at = random.randrange(len(data))
        data[at] = random.choice([b"zz\r\nx\r\n", b"-5\r\n\r\n", b"ffffffffffffffff\r\nx", b""])
    return b"".join(data)
