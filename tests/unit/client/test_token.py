from __future__ import annotations

import json
from pathlib import Path

import pytest

from videovisual_client import AuthenticationFailed
from videovisual_client.token import find_token


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDEOVISUAL_TOKEN", raising=False)
    monkeypatch.delenv("VIDEOVISUAL_KEY_FILE", raising=False)
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"inference": {"key": "from file"}}))
    return path


def test_the_order_of_the_tokens_sources(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_token() == ""
    (key_file.parent / "key_file.json").write_text('{"inference": {"key": "from folder"}}')
    assert find_token() == "from folder"
    monkeypatch.setenv("VIDEOVISUAL_KEY_FILE", str(key_file))
    assert find_token() == "from file"
    monkeypatch.setenv("VIDEOVISUAL_TOKEN", "from environment")
    assert find_token() == "from environment"
    assert find_token(key_file=key_file) == "from file"
    assert find_token("given", key_file) == "given"


@pytest.mark.parametrize("content", [None, "no json", "{}", '{"inference": 3}'])
def test_a_key_file_that_cannot_be_read_is_named(key_file: Path, content: str | None) -> None:
    broken = key_file.with_name("broken.json")
    if content is not None:
        broken.write_text(content)
    with pytest.raises(AuthenticationFailed, match=r"broken\.json"):
        find_token(key_file=broken)
