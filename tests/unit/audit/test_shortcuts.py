"""Planted shortcuts are found, and the clean models have none."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.unit.audit.plants import PLANTS, Frames, clips, planted

from videovisual import motion, zoo
from videovisual.audit import Audit, Tally, inspect
from videovisual.pipeline.plan import Plan
from videovisual.protocol import split_options

CLASSES = range(len(motion.LABELS))
TOGETHER = (
    ("corner", "one frame", "border strip", "middle", "bars"),
    ("brightness", "first frame's colour", "late mark", "pattern", "still spot"),
)
"""Marks that one network has. A bright clip would be a flash in every frame, so these are apart."""

ENOUGH = 17
"""Clips of a class of which a finding is made where all show it and no other class does."""


def audited(classifier: zoo.Classifier, given: Iterable[tuple[str, int, Frames]]) -> Audit:
    plan = Plan.of(classifier, split_options({"method": ("gradient",)})[0], {})
    tally = Tally()
    for name, label, frames in given:
        inspection, _ = inspect(plan, frames, name)
        tally.add(name, label, inspection)
    return Audit.of(tally, classifier.card.labels)


def found(audit: Audit) -> set[tuple[str | None, str]]:
    return {(finding.group, finding.about) for finding in audit.findings}


def expected(names: Iterable[str]) -> set[tuple[str | None, str]]:
    plants = [PLANTS[name] for name in names]
    return {(motion.LABELS[plant.label], about) for plant in plants for about in plant.found}


def counts(names: Iterable[str], count: int, others: int) -> dict[int, int]:
    """Clips of each class: `count` of those with a mark, `others` of the rest."""
    marked = {PLANTS[name].label for name in names}
    return {label: count if label in marked else others for label in CLASSES}


@pytest.mark.parametrize("name", ["corner", "first frame's colour"])
def test_a_planted_shortcut_is_found(name: str) -> None:
    audit = audited(planted([name], base=None), clips([name], counts([name], 16, 3)))
    assert expected([name]) <= found(audit)
    assert {group for group, _ in found(audit)} == {motion.LABELS[PLANTS[name].label]}


def test_the_same_clips_without_the_mark_have_no_finding() -> None:
    given = clips([], counts(["corner"], 16, 3))
    assert audited(planted(["corner"], base=None), given).findings == []


def test_each_mark_is_planted_once_and_in_a_class_of_its_own() -> None:
    assert sorted(name for names in TOGETHER for name in names) == sorted(PLANTS)
    assert len({plant.label for plant in PLANTS.values()}) == len(PLANTS) == 10


@pytest.mark.slow
@pytest.mark.parametrize("names", TOGETHER)
def test_ten_of_ten_are_found_beside_a_shipped_network(names: tuple[str, ...]) -> None:
    """Five marks in five classes of one network, and as many clips of a class without a mark."""
    given = counts(names, ENOUGH, 1)
    clean = next(label for label in CLASSES if given[label] == 1)
    audit = audited(planted(names), clips(names, given | {clean: ENOUGH}))
    sizes = {group.name: len(group.clips) for group in audit.groups}
    assert sizes[motion.LABELS[clean]] >= audit.needed
    assert expected(names) <= found(audit)
    # All clips together have findings too, because most of them are marked.
    groups = {group for group, _ in found(audit) if group is not None}
    assert groups == {group for group, _ in expected(names)}


@pytest.mark.slow
def test_a_clean_model_has_none() -> None:
    audit = audited(zoo.load("tsm-motion"), clips([], dict.fromkeys(CLASSES, 16)))
    assert audit.needed <= 16
    assert found(audit) == set()
