"""A changed byte is found wherever it is, and nothing that is made of a record crashes."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.client.fake_server import answer
from tests.unit.evidence.conftest import Case
from tests.unit.evidence.mutations import ALL, mutated, resigned

from videovisual import clips
from videovisual.errors import VideoVisualError
from videovisual.evidence import Outcome, PublicKey, SigningKey, read, to_bytes, verify
from videovisual.evidence.record import MAX_BYTES, parse
from videovisual.evidence.verification import signature_findings

COUNT = 1000


def told(data: bytes, clip: Path, keys: list[PublicKey]) -> str:
    """What is said of a record; empty where nothing is wrong."""
    try:
        found = verify(parse(data), lambda _: clips.open_path(clip), keys)
    except VideoVisualError as error:
        return error.message
    wrong = [finding.message for finding in found.findings if finding.verdict != "same"]
    return "" if found.outcome is Outcome.VERIFIED else " ".join(wrong)


def signature_is_right(data: bytes, keys: list[PublicKey]) -> bool:
    try:
        found = list(signature_findings(parse(data), keys))
    except VideoVisualError:
        return False
    return all(finding.verdict != "differs" for finding in found)


def test_every_one_of_a_thousand_mutated_records_is_refused_or_named(case: Case) -> None:
    data, keys = case.record.read_bytes(), [PublicKey.read(case.public)]
    assert told(data, case.clip, keys) == ""
    silent, seen = [], Counter[str]()
    for name, changed in mutated(data, COUNT):
        message = told(changed, case.clip, keys)
        seen[name.split()[0]] += 1
        if not message:
            silent.append(name)
    assert silent == []
    assert len(seen) == len(ALL)
    assert seen.total() == COUNT


def test_a_changed_byte_is_found_wherever_it_is() -> None:
    """Every byte of a small record, signed and unsigned, by the hashes and signatures alone."""
    key = SigningKey.new()
    for signer in (key, None):
        data = to_bytes(answer(), "0" * 64, signer)
        keys = [] if signer is None else [key.public]
        assert signature_is_right(data, keys)
        for place in range(len(data)):
            changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            assert not signature_is_right(changed, keys), data[: place + 1]


def test_a_signed_statement_of_anything_crashes_nothing(case: Case) -> None:
    """Whoever has a key can sign what they like, and an unsigned record holds anything."""
    key, keys = SigningKey.read(case.private), [PublicKey.read(case.public)]
    messages = [
        told(changed, case.clip, keys) for changed in resigned(case.record.read_bytes(), key, 150)
    ]
    assert sum(bool(message) for message in messages) > 50


def test_reading_takes_a_bounded_multiple_of_the_file(case: Case) -> None:
    data, keys = case.record.read_bytes(), [PublicKey.read(case.public)]
    tracemalloc.start()
    try:
        for _, changed in mutated(data, 2 * len(ALL)):
            tracemalloc.reset_peak()
            told(changed, case.clip, keys)
            assert tracemalloc.get_traced_memory()[1] < 64 * max(len(data), len(changed))
    finally:
        tracemalloc.stop()


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(VideoVisualError, match="bytes, and 268435456 are read"):
        read(path)
