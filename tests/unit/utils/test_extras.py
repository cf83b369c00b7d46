"""Packages that are not installed."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from videovisual.errors import MissingExtra
from videovisual.utils.extras import REASONS, needs


@pytest.mark.parametrize("extra", REASONS)
def test_a_missing_package_names_its_extra(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "absent", None)
    with pytest.raises(MissingExtra) as caught, needs(extra, "Do without."):
        importlib.import_module("absent.part")
    assert caught.value.message.endswith(f": pip install 'videovisual[{extra}]'. Do without.")
    assert caught.value.detail == {"extra": extra}


def test_a_mistake_of_our_own_is_not_a_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError), needs("server"):
        importlib.import_module("videovisual.absent")


def test_every_extra_is_one_of_the_distribution() -> None:
    said = (Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8")
    assert set(REASONS) <= set(re.findall(r"^(\w+) = \[", said, re.MULTILINE))
