"""A target means one class: an int is an index, a str a name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from videovisual import zoo
from videovisual.errors import InvalidTarget, WeightsError
from videovisual.zoo import ModelCard
from videovisual.zoo.card import check_labels, fold

NUMBERED = [str(number) for number in range(1, 11)]
ALIKE = ["put_on", "put-on", "x", "Put On"]
ODD = ["[x]", '"x"', "{…}", "null", "one, two", "3 point shot", "café", "-", "true", "1.5"]


def of(*labels: str) -> ModelCard:
    return dataclasses.replace(zoo.card("r3d-motion"), labels=labels)


@pytest.mark.parametrize(
    ("labels", "target", "index"),
    [
        (NUMBERED, 1, 1),
        (NUMBERED, 9, 9),
        (NUMBERED, "1", 0),
        (NUMBERED, "10", 9),
        (NUMBERED, "0", 0),
        (NUMBERED, np.int64(3), 3),
        (["a", "b", "2"], "2", 2),
        (["a", "2", "b"], "2", 1),
        (["a", "2", "b"], 2, 2),
        (["a", "b"], " 1 ", 1),
        (ALIKE, "put_on", 0),
        (ALIKE, "put-on", 1),
        (ALIKE, "Put On", 3),
        (["Ironing", "b"], "ironing", 0),
        (["riding a bike", "b"], "riding_a-bike", 0),
        (["STRASSE", "b"], "straße", 0),
        (["café", "b"], "cafe\u0301", 0),
        *((ODD, label, index) for index, label in enumerate(ODD)),
    ],
)
def test_a_target_s_class(labels: list[str], target: str | int, index: int) -> None:
    assert of(*labels).target(target) == index


@pytest.mark.parametrize(
    "target", [-1, 3, 10**30, True, False, 1.0, None, "", "  ", "-1", "3", "1.0", "+1", "nonsense"]
)
def test_what_is_no_class_is_refused(target: object) -> None:
    with pytest.raises(InvalidTarget, match=r"has no class .*index from 0 to 2"):
        of("a", "b", "-").target(target)  # type: ignore[arg-type]


def test_an_ambiguous_name_is_refused_with_its_classes() -> None:
    with pytest.raises(InvalidTarget, match=r"'PUT ON' names 3 .*'put_on' \(index 0\).*'Put On'"):
        of(*ALIKE).target("PUT ON")
    with pytest.raises(InvalidTarget, match=r"'jump' names 2 .*index 0.*index 2"):
        of("jump", "wave", "jump").target("jump")
    assert of("jump", "wave", "jump").target(2) == 2


def test_a_message_is_shorter_than_a_long_name() -> None:
    with pytest.raises(InvalidTarget) as refused:
        of("a", "b").target("x" * 100_000)
    assert len(str(refused.value.as_json())) < 1000


def test_a_name_that_is_another_class_s_index_has_another_reading() -> None:
    card = of("a", "2", "b")
    assert card.other_reading("2") == 2
    assert [card.other_reading(target) for target in (2, "1", "a", "9")[:3]] == [None] * 3
    assert of("0", "1").other_reading("1") is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["jump", "wave", "jump"], "2 classes are called 'jump': numbers 0, 2"),
        (["a", "Top1"], "stands for the most likely class"),
    ],
)
def test_labels_that_no_target_can_name_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        check_labels(labels)
    check_labels(ALIKE)


def test_the_published_labels_are_apart() -> None:
    for card in zoo.cards().values():
        check_labels(card.labels)
        assert len(set(map(fold, card.labels))) == len(card.labels)


def test_a_notebook_shows_a_classifier_s_card() -> None:
    model = zoo.load("r3d-motion")
    model.card = dataclasses.replace(model.card, labels=("<b>", *model.card.labels[1:]))
    page = model._repr_html_()
    for shown in (model.card.title, "Grad-CAM", model.weights_sha256, "cpu", "&lt;b&gt;"):
        assert shown in page
    assert all(label in page for label in model.card.labels[1:])
    assert "<b>," not in page
