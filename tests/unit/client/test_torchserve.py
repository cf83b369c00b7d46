"""What is checked before TorchServe is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from videovisual.errors import InvalidParameter
from videovisual_client.torchserve import Server


def test_wrong_settings_are_refused_before_torchserve_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"decoders": 0}')
    monkeypatch.setenv("VIDEOVISUAL_SETTINGS", str(file))
    (tmp_path / "any.mar").touch()
    with pytest.raises(InvalidParameter, match="decoders = 0"):
        Server(["any"], store=tmp_path, run_folder=tmp_path / "run").start()
    assert not (tmp_path / "run").exists()
