"""Which names are those of models that are kept elsewhere."""

import pytest

from videovisual.names import is_elsewhere


@pytest.mark.parametrize(
    ("name", "elsewhere"),
    [
        ("hf:someone/net", True),
        ("torchvision:s3d", True),
        ("folder", True),
        ("r3d-motion", False),
        ("other", False),
        ("x" * 5000, False),
        ("a\0b", False),
    ],
)
def test_names_of_models_elsewhere(tmp_path, monkeypatch, name, elsewhere):
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "r3d-motion"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").touch()
    assert is_elsewhere(name) is elsewhere
