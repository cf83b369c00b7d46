"""Seeded mutations of a record, each of which a verification must find."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import rfc8785

from videovisual.evidence import SigningKey
from videovisual.evidence.statement import sign
from videovisual.protocol import Envelope

Mutation = Callable[[bytes, Random], bytes]

HOSTILE = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 400, b"9" * 5000, b"-0", b"1.0", b"1E2"),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 300 + b"]" * 300, b"nul", b'"\\ud800"'),
)
VALUES = (None, True, -1, 2**53 + 1, 1e308, "", "x" * 5000, [], {}, [[]], {"a": 1}, 2**40)


def flip_a_bit(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def flip_a_bit_outside_of_maps(data: bytes, random: Random) -> bytes:
    """Most of a record is its map; here signatures, hashes and the statement get their share."""
    start = data.index(b'"payload"')
    return data[:start] + flip_a_bit(data[start:], random)


def cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def cut_out(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data) - 1)
    return data[:place] + data[place + random.randint(1, 8) :]


def put_in(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + random.randbytes(random.randint(1, 8)) + data[place:]


def put_in_what_parsers_stumble_over(data: bytes, random: Random) -> bytes:
    """In place of a value of the file itself, or of the statement."""
    hostile = random.choice(HOSTILE)
    if random.random() < 0.5:
        name = random.choice((b"maps", b"payload", b"payloadType", b"signatures"))
        start = data.index(b'"%s":' % name) + len(name) + 3
        return data[:start] + hostile + data[start:]
    payload = _payload(data)
    places = [place for place, byte in enumerate(payload) if byte == ord(":")]
    start = random.choice(places) + 1
    return _with_payload(data, payload[:start] + hostile + payload[start + 1 :])


def repeat_a_name(data: bytes, random: Random) -> bytes:
    if random.random() < 0.5:
        return data[:-1] + b',"payloadType":"another"}'
    payload = _payload(data)
    return _with_payload(data, payload[:-1] + b',"format":1}')


def write_it_otherwise(data: bytes, random: Random) -> bytes:
    """The same JSON in another form."""
    value = json.loads(data)
    forms = (
        json.dumps(value).encode(),
        data + b"\n",
        b" " + data,
        b"\xef\xbb\xbf" + data,
        data.decode().encode("utf-16"),
        json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode(),
        data.replace(b'"sig"', b'"\\u0073ig"'),
        _with_payload(data, json.dumps(json.loads(_payload(data))).encode()),
    )
    return random.choice(forms)


def swap_two_values(data: bytes, random: Random) -> bytes:
    """Of the statement, whose own hash is made to fit."""
    statement = json.loads(_payload(data))
    places = list(_places(statement))
    for _ in range(100):
        (one, first), (other, second) = random.sample(places, 2)
        if one[first] != other[second]:
            one[first], other[second] = other[second], one[first]
            break
    return _with_payload(data, rfc8785.dumps(statement))


def change_a_value(data: bytes, random: Random) -> bytes:
    statement = json.loads(_payload(data))
    holder, name = random.choice(list(_places(statement)))
    holder[name] = random.choice([value for value in VALUES if value != holder[name]])
    return _with_payload(data, _canonical(statement) or b"{}")


def leave_a_value_out(data: bytes, random: Random) -> bytes:
    statement = json.loads(_payload(data))
    holder, name = random.choice(list(_places(statement)))
    del holder[name]
    return _with_payload(data, rfc8785.dumps(statement))


def change_the_file(data: bytes, random: Random) -> bytes:
    """A member of the file itself, of another type or missing."""
    file = json.loads(data)
    holder, name = random.choice(list(_places(file)))
    if random.random() < 0.3:
        del holder[name]
    else:
        holder[name] = random.choice([value for value in VALUES if value != holder[name]])
    return _canonical(file) or b"{}"


def exchange_the_map(data: bytes, random: Random) -> bytes:
    """Another map, with its right hash in the statement."""
    file, statement = json.loads(data), json.loads(_payload(data))
    values = bytearray(base64.b64decode(file["maps"][0]))
    values[random.randrange(len(values))] ^= 1
    file["maps"][0] = base64.b64encode(values).decode()
    digest = hashlib.sha256(values).hexdigest()
    statement["answer"]["explanations"][0]["map"]["sha256"] = digest
    return _with_payload(rfc8785.dumps(file), rfc8785.dumps(statement))


def sign_by_another(data: bytes, random: Random) -> bytes:
    file = json.loads(data)
    envelope = Envelope.model_validate(
        {name: file[name] for name in ("payload", "payloadType", "signatures")}
    )
    other = sign(envelope, SigningKey.new()).model_dump(mode="json")["signatures"]
    mine, theirs = other
    file["signatures"] = random.choice(
        (
            [theirs],
            [{**theirs, "keyid": mine["keyid"]}],
            [{**mine, "keyid": theirs["keyid"]}],
            [],
            [mine, mine],
            [mine, theirs],
        )
    )
    return rfc8785.dumps(file)


def spell_base64_otherwise(data: bytes, random: Random) -> bytes:
    """The same bytes, by other letters that many decoders take."""
    file = json.loads(data)
    text = file["signatures"][0]["sig"]
    file["signatures"][0]["sig"] = random.choice(
        (text.rstrip("="), text + "=", text[:8] + "\n" + text[8:], text[:-3] + _next(text) + "==")
    )
    return rfc8785.dumps(file)


ALL: tuple[Mutation, ...] = (
    *(flip_a_bit, flip_a_bit_outside_of_maps, cut, cut_out, put_in),
    *(put_in_what_parsers_stumble_over, repeat_a_name, write_it_otherwise),
    *(swap_two_values, change_a_value, leave_a_value_out, change_the_file),
    *(exchange_the_map, sign_by_another, spell_base64_otherwise),
)


def mutated(data: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """As many records as asked for, each changed once, with the change's name."""
    for number in range(count):
        random = Random(number)
        mutation = ALL[number % len(ALL)]
        changed = mutation(data, random)
        assert changed != data, mutation.__name__
        yield f"{mutation.__name__} {number}", changed


def resigned(data: bytes, key: SigningKey, count: int) -> Iterator[bytes]:
    """Records with a statement of other values, which its own key has signed."""
    for number in range(count):
        random = Random(number)
        statement = json.loads(_payload(data))
        holder, name = random.choice(list(_places(statement)))
        holder[name] = copy.deepcopy(random.choice(VALUES))
        payload = _canonical(statement)
        if payload is not None:
            file = json.loads(_with_payload(data, payload))
            envelope = sign(Envelope(payload=file["payload"]), key)
            yield rfc8785.dumps({**file, **envelope.model_dump(mode="json")})


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every value in a value, as its holder and its name or index there."""
    names = value.keys() if isinstance(value, dict) else range(len(value))
    for name in names:
        yield value, name
        if isinstance(value[name], dict | list):
            yield from _places(value[name])


def _payload(data: bytes) -> bytes:
    return base64.b64decode(json.loads(data)["payload"])


def _with_payload(data: bytes, payload: bytes) -> bytes:
    file = json.loads(data)
    file["payload"] = base64.b64encode(payload).decode()
    file["statement_sha256"] = hashlib.sha256(payload).hexdigest()
    return rfc8785.dumps(file)


def _canonical(value: Any) -> bytes | None:
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        return None


def _next(text: str) -> str:
    """The last letter before the padding, with one of the bits that padding ignores set."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return letters[letters.index(text[-3]) ^ 1]
