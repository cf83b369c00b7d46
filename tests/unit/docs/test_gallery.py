"""The gallery shows what its commands make."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs import gallery
from PIL import Image


def test_every_picture_is_made_by_a_command_of_the_page() -> None:
    made = {name for _, code in gallery.blocks() for name in re.findall(r"-o (\S+)", code)}
    assert made == set(gallery.shown())
    assert {path.name for path in gallery.PICTURES.iterdir()} == made


@pytest.mark.slow
def test_the_commands_make_the_pictures(tmp_path: Path) -> None:
    gallery.make(tmp_path)
    for name in gallery.shown():
        new, old = tmp_path / name, gallery.PICTURES / name
        if new.suffix in (".png", ".gif"):
            with Image.open(new) as picture, Image.open(old) as shown:
                assert picture.size == shown.size, "run `python -m docs.gallery`"
        else:
            # Numbers differ from one processor to another, and so do the pictures' sizes.
            assert new.stat().st_size == pytest.approx(old.stat().st_size, rel=0.2)
