"""The file of keys, while it changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from videovisual.errors import AuthenticationFailed, WriteError
from videovisual.server.asgi.keys import ANY, INFERENCE, KeyFile, write_keys


def bearer(path: Path, kind: str = "inference") -> str:
    return f"Bearer {json.loads(path.read_text())[kind]['key']}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_keys(tmp_path / "key_file.json")
    return tmp_path / "key_file.json"


def test_new_keys_are_this_users_alone(path: Path) -> None:
    before = bearer(path)
    assert path.stat().st_mode & 0o077 == 0
    write_keys(path)
    assert bearer(path) != before
    with pytest.raises(WriteError, match="Choose another folder"):
        write_keys(path / "below")


def test_each_key_opens_its_own_routes(path: Path) -> None:
    keys = KeyFile(path)
    keys.check(bearer(path), INFERENCE)
    keys.check(bearer(path).replace("Bearer", "bearer"), ANY)
    keys.check(bearer(path, "management"), ANY)
    with pytest.raises(AuthenticationFailed):
        keys.check(bearer(path, "management"), INFERENCE)


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", "Bearer x", "Basic {key}", "ä"])
def test_anything_else_opens_none(path: Path, given: str | None) -> None:
    key = json.loads(path.read_text())["inference"]["key"]
    with pytest.raises(AuthenticationFailed, match="missing or wrong"):
        KeyFile(path).check(given and given.format(key=key), ANY)


def test_a_changed_file_counts_at_once(path: Path) -> None:
    keys, old = KeyFile(path), bearer(path)
    keys.check(old, INFERENCE)
    write_keys(path)
    keys.check(bearer(path), INFERENCE)
    with pytest.raises(AuthenticationFailed):
        keys.check(old, INFERENCE)


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"inference": {"key": ""}}', '{"inference": {"key": 7}}']
)
def test_a_file_that_cannot_be_read_lets_nobody_in(path: Path, text: str | None) -> None:
    keys, old = KeyFile(path), bearer(path)
    keys.check(old, INFERENCE)
    path.unlink()
    if text is not None:
        path.write_text(text)
    for given in (old, "Bearer ", "Bearer 7"):
        with pytest.raises(AuthenticationFailed):
            keys.check(given, ANY)
