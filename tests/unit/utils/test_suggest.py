"""Names that are near a wrong one, in every message that has them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import videovisual
from videovisual import zoo
from videovisual.attribution import catalogue
from videovisual.errors import VideoVisualError
from videovisual.names import MODELS
from videovisual.protocol import check_classifies, split_options
from videovisual.utils.suggest import did_you_mean, nearest

KINETICS = zoo.card("i3d-kinetics400").labels
FRAMES = np.zeros((16, 64, 64, 3), np.uint8)
LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("name", "allowed", "first"),
    [
        ("i3d", MODELS, ["i3d-kinetics400", "i3d-motion"]),
        ("TSM", MODELS, ["tsm-kinetics400", "tsm-epic55-verb", "tsm-epic55-noun"]),
        ("kinetics400", MODELS, ["i3d-kinetics400"]),
        ("i3d_kinetics400", MODELS, ["i3d-kinetics400"]),
        ("I3D Kinetics 400", MODELS, ["i3d-kinetics400"]),
        ("r3d-kinetics", MODELS, ["r3d-kinetics400"]),
        ("ep", [entry.name for entry in catalogue.ENTRIES], ["ep_2d", "ep_3d"]),
        ("cam", [entry.name for entry in catalogue.ENTRIES], ["grad_cam"]),
        ("guitar", KINETICS, ["playing bass guitar", "playing guitar"]),
        ("iron", KINETICS, ["ironing"]),
        ("abselling", KINETICS, ["abseiling"]),
    ],
)
def test_a_part_of_a_name_finds_it(name: str, allowed: tuple[str, ...], first: list[str]) -> None:
    assert nearest(name, allowed)[: len(first)] == first


def test_names_that_fold_alike_are_both_found() -> None:
    assert nearest("put on", ["put-on", "put_on", "take"]) == ["put-on", "put_on"]


@pytest.mark.parametrize("name", ["", " ", "-", "zzzzzz"])
def test_where_nothing_is_near_nothing_is_said(name: str) -> None:
    assert nearest(name, MODELS) == []
    assert did_you_mean(name, MODELS) == ""


def ask(**options: object) -> None:
    chosen, rest = split_options(options)
    check_classifies(chosen, rest)


@pytest.mark.parametrize(
    ("fails", "near"),
    [
        (lambda: zoo.load("i3d"), "Nearest: i3d-kinetics400, i3d-motion."),
        (lambda: catalogue.find("gradcamm"), "Nearest: grad_cam"),
        (lambda: catalogue.find("occlusion").parse({"boxx": 1}), "Nearest: box"),
        (lambda: zoo.card("i3d-kinetics400").target("guitar"), "Nearest: playing bass guitar"),
        (lambda: ask(frame=3), "Nearest: frames"),
        (lambda: videovisual.classify("tsm-motion", FRAMES, topk=3), "Nearest: top_k."),
        (
            lambda: videovisual.explain("tsm-motion", FRAMES, method="grad_cam", layer="layer"),
            "Nearest: layer1",
        ),
    ],
    ids=["model", "method", "parameter", "label", "option", "classify", "layer"],
)
def test_every_message_names_what_is_near(fails: Callable[[], None], near: str) -> None:
    with pytest.raises(VideoVisualError) as refused:
        fails()
    assert near in refused.value.message


@pytest.mark.parametrize(
    "fails",
    [
        lambda: zoo.load(LONG),
        lambda: catalogue.find(LONG),
        lambda: catalogue.find("occlusion").parse({LONG: 1}),
        lambda: zoo.card("i3d-kinetics400").target(LONG),
        lambda: ask(**{LONG: 3}),
        lambda: videovisual.classify("tsm-motion", FRAMES, **{LONG: 3}),
        lambda: videovisual.explain("tsm-motion", FRAMES, method="grad_cam", layer=LONG),
    ],
)
def test_a_long_name_makes_no_long_message(fails: Callable[[], None]) -> None:
    with pytest.raises(VideoVisualError) as refused:
        fails()
    assert len(refused.value.message) < 1000
    assert len(str(refused.value.detail)) < 10_000
