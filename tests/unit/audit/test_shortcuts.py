"""Planted shortcuts are found, and the clean models have none."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.unit.audit.plants import CLASS, PLANTS, Frames, clips, planted

from videovisual import motion, zoo
from videovisual.audit import Audit, Tally, inspect
from videovisual.pipeline.plan import Plan
from videovisual.protocol import split_options

MARKED = motion.LABELS[CLASS]
CLEAN = [name for name, card in zoo.cards().items() if card.made_for == "Motion"]


def audited(classifier: zoo.Classifier, given: Iterable[tuple[str, int, Frames]]) -> Audit:
    plan = Plan.of(classifier, split_options({"method": ("gradient",)})[0], {})
    tally = Tally()
    for name, label, frames in given:
        inspection, _ = inspect(plan, frames, name)
        tally.add(name, label, inspection)
    return Audit.of(tally, classifier.card.labels)


def found(audit: Audit) -> set[tuple[str | None, str]]:
    return {(finding.group, finding.about) for finding in audit.findings}


@pytest.mark.parametrize("name", ["corner", "first frame's colour"])
def test_a_planted_shortcut_is_found(name: str) -> None:
    audit = audited(planted(name, base=None), clips(name, 16, others=3))
    assert {(MARKED, about) for about in PLANTS[name].found} <= found(audit)
    assert {group for group, _ in found(audit)} == {MARKED}


def test_the_same_clips_without_the_mark_have_no_finding() -> None:
    assert audited(planted("corner", base=None), clips(None, 16, others=3)).findings == []


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTS)
def test_ten_of_ten_are_found_beside_a_shipped_network(name: str) -> None:
    audit = audited(planted(name), clips(name, 16, others=3))
    assert {(MARKED, about) for about in PLANTS[name].found} <= found(audit)
    assert {group for group, _ in found(audit)} == {MARKED}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLEAN)
def test_the_clean_models_have_none(name: str) -> None:
    audit = audited(zoo.load(name), clips(None, 16))
    assert audit.needed <= 16
    assert found(audit) == set()
