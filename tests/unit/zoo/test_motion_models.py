"""The small models that ship with the package: accuracy with and without frame order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from videovisual import motion, zoo
from videovisual.motion import training
from videovisual.utils.digest import file_sha256
from videovisual.zoo.motion import CARDS

NAMES = [card.name for card in CARDS]
CHANCE = 1 / len(motion.LABELS)
WEIGHTS = Path(zoo.__file__).with_name("weights")
MEGABYTES = 10**6


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> zoo.Classifier:
    return zoo.load(request.param)


def top1(model: zoo.Classifier, clips: range, change: training.Change | None = None) -> float:
    return training.accuracy(model.network, model.card.input, clips, change=change)


def test_every_architecture_is_there() -> None:
    assert {card.family for card in CARDS} == {card.family for card in zoo.cards().values()}


def test_the_files_are_small() -> None:
    files = list(WEIGHTS.glob("*.safetensors"))
    assert {file.stem for file in files} == set(NAMES)
    assert sum(file.stat().st_size for file in files) <= 16 * MEGABYTES


def test_the_file_matches_its_card(model: zoo.Classifier) -> None:
    source, _, file = model.card.weights.source.partition(":")
    assert source == "package"
    assert model.card.weights.size == (WEIGHTS / file).stat().st_size
    assert model.card.weights.sha256 == file_sha256(WEIGHTS / file) == model.weights_sha256


def test_the_cam_layer_keeps_spatial_resolution(model: zoo.Classifier) -> None:
    shapes: list[torch.Size] = []
    layer = model.network.get_submodule(model.card.cam_layer)
    hook = layer.register_forward_hook(lambda _layer, _inputs, out: shapes.append(out.shape))
    model.logits(training.prepare(model.card.input, motion.batch([0]).frames))
    hook.remove()
    (shape,) = shapes
    if model.card.family == "videomae":  # a sequence of tokens
        assert shape[1] == 4 * 8 * 8
        return
    time, height, width = shape[1:4] if model.card.family == "swin3d" else shape[2:]
    assert time >= 2
    assert height == width == 8


def test_classifies_the_motion(model: zoo.Classifier) -> None:
    assert top1(model, range(100)) >= 0.93


@pytest.mark.parametrize("change", [motion.shuffled, training.middle])
def test_needs_the_order_of_frames(model: zoo.Classifier, change: training.Change) -> None:
    assert top1(model, range(100), change) <= 1.5 * CHANCE


@pytest.mark.slow
def test_reaches_the_accuracy_of_its_card(model: zoo.Classifier) -> None:
    measured = top1(model, training.HELD_OUT)
    assert measured >= 0.95
    (published,) = re.findall(r"top-1 ([\d.]+)", model.card.accuracy)
    assert 100 * measured == pytest.approx(float(published), abs=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("change", [motion.shuffled, training.middle])
def test_needs_the_order_of_frames_on_all_clips(
    model: zoo.Classifier, change: training.Change
) -> None:
    assert top1(model, training.HELD_OUT, change) <= 1.5 * CHANCE
