"""The picture of the rooms in `docs/architecture.md`."""

from __future__ import annotations

from docs import rooms

TREE = rooms.sources()


def test_the_picture_of_the_rooms_is_up_to_date() -> None:
    page = rooms.PAGE.read_text("utf-8")
    assert page == rooms.page(page, TREE), "run `make docs`"


def test_a_new_import_changes_the_picture() -> None:
    page = rooms.PAGE.read_text("utf-8")
    planted = {**TREE, "videovisual.render.text": "import videovisual.zoo"}
    assert page != rooms.page(page, planted)
