"""Damage to JSON: its values, its shape, its text."""

import json
import random
from typing import Any

from benchmarks.soak.damage import damaged
from benchmarks.soak.options import VALUES

Node = dict[str, Any] | list[Any]


def damaged_document(document: Any, rng: random.Random) -> tuple[bytes, str]:
    """The document's text with a fault, and the fault's name."""
    fault = rng.choice((_value, _value, _value, _lost, _wrapped, _renamed, _text, _text, _bytes))
    return fault(json.loads(json.dumps(document)), rng), fault.__name__.strip("_")


def _places(node: Any) -> list[tuple[Node, Any]]:
    """Every container of a document with each of its keys."""
    found: list[tuple[Node, Any]] = []
    if isinstance(node, dict | list):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        for key in keys:
            found += [(node, key), *_places(node[key])]
    return found


def _dump(document: Any) -> bytes:
    # Half of a surrogate pair can be written only as an escape.
    return json.dumps(document).encode()


def _value(document: Any, rng: random.Random) -> bytes:
    places = _places(document)
    if places:
        node, key = rng.choice(places)
        node[key] = rng.choice(VALUES)
    return _dump(document)


def _lost(document: Any, rng: random.Random) -> bytes:
    places = _places(document)
    if places:
        node, key = rng.choice(places)
        del node[key]
    return _dump(document)


def _wrapped(document: Any, rng: random.Random) -> bytes:
    places = _places(document)
    if not places:
        return _dump([document])
    node, key = rng.choice(places)
    inner = node[key]
    node[key] = rng.choice(([inner], [inner, inner], {"b64": inner}, {"value": inner}, str(inner)))
    return _dump(document)


def _renamed(document: Any, rng: random.Random) -> bytes:
    places = [(node, key) for node, key in _places(document) if isinstance(node, dict)]
    if places:
        node, key = rng.choice(places)
        others = (key.upper(), key + " ", "", "\ud800", "x" * 10_000, rng.choice(list(node)))
        node[rng.choice(others)] = node.pop(key)
    return _dump(document)


def _text(document: Any, rng: random.Random) -> bytes:
    """The whole is written in another way."""
    text = json.dumps(document)
    return rng.choice(
        (
            b"\xef\xbb\xbf" + text.encode(),
            text.encode("utf-16"),
            (text + text).encode(),
            text.replace(":", ": NaN, ", 1).encode(),
            text.replace('": ', '": -', 1).encode(),
            text.replace("{", '{"video": "", ', 1).encode(),
            text.replace('"', "'").encode(),
            b"[" * 100_000,
            b'{"a":' * 20_000,
            b'{"video": ' + b"9" * 10_000 + b"}",
            b"null",
            b"[]",
            b'"text"',
            b"1e999",
            b" " * 1000,
            text[: rng.randrange(1, len(text))].encode(),
            text.encode() + b"\x00",
        )
    )


def _bytes(document: Any, rng: random.Random) -> bytes:
    return damaged(_dump(document), rng)[0]
