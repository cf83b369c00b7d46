import dataclasses
import zipfile

import pytest

from videovisual import zoo
from videovisual_archive import mar
from videovisual_archive.store import State, contents


@pytest.fixture
def card(monkeypatch):
    card = zoo.card("r3d-motion")
    cards = {card.name: card}
    for place in ("videovisual.zoo.registry.cards", "videovisual.zoo.cards"):
        monkeypatch.setattr(place, lambda: cards)
    return card


@pytest.fixture
def built(card, tmp_path):
    """Builds the card's archive and returns its entry in the store."""

    def run(**changes):
        state = zoo.build(card).state_dict()
        changed = dataclasses.replace(card, **changes)
        mar.build_archive(changed, state, tmp_path, source_sha256=card.weights.sha256)
        (stored,) = contents(tmp_path)
        return stored

    return run


def test_an_archive_that_would_be_built_the_same_is_current(built, tmp_path):
    stored = built()
    assert stored.state is State.CURRENT
    assert stored.name == "r3d-motion"
    assert stored.path == tmp_path / "r3d-motion.mar"
    assert stored.size == stored.path.stat().st_size
    assert stored.built.timestamp() == pytest.approx(stored.path.stat().st_mtime)


def test_an_archive_of_another_card_is_stale(built):
    assert built(accuracy="better").state is State.STALE


def test_own_class_names_do_not_make_an_archive_stale(built, card):
    names = tuple(f"class {index}" for index in range(len(card.labels)))
    assert built(labels=names).state is State.CURRENT


def test_foreign_and_damaged_archives(built, tmp_path):
    built()
    (tmp_path / "r3d-motion.mar").rename(tmp_path / "other.mar")
    with zipfile.ZipFile(tmp_path / "theirs.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", "{}")
    (tmp_path / "cut.mar").write_bytes((tmp_path / "other.mar").read_bytes()[:-100])
    (tmp_path / ".unfinished.mar").touch()
    (tmp_path / "README.md").touch()
    assert {stored.name: stored.state for stored in contents(tmp_path)} == {
        "cut": State.DAMAGED,
        "other": State.FOREIGN,
        "theirs": State.FOREIGN,
    }


def test_a_missing_store_is_empty(tmp_path):
    assert contents(tmp_path / "none") == []
