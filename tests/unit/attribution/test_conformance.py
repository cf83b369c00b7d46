"""Requirements of every method on every trained architecture and (slow) on the real I3D."""

from __future__ import annotations

import gc
import re
import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from tests.frames import blocks
from torch import nn

from videovisual import faithfulness, motion, zoo
from videovisual.attribution import catalogue
from videovisual.attribution.catalogue import Entry
from videovisual.engine.engine import Engine, run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Reading
from videovisual.errors import InvalidParameter, MissingExtra, UnsuitableMethod
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.preprocessing import PreparedClip
from videovisual.render.terms import DIAGNOSTICS
from videovisual.saliency import Saliency
from videovisual.utils.extras import install_command
from videovisual.zoo import Classifier

MODELS = [
    *(name for name in zoo.cards() if name.endswith("-motion")),
    pytest.param("i3d-kinetics400", marks=pytest.mark.slow),
]
QUICK: dict[str, dict[str, Any]] = {
    "smooth_grad": {"samples": 3},
    "integrated_gradients": {"steps": 3},
    "rise": {"masks": 6},
    "lime": {"samples": 10, "cells": 2, "frame_cells": 2},
    "frame_shapley": {"segments": 3},
    "ep_2d": {"iterations": 2},
    "ep_3d": {"iterations": 2, "area": [0.05, 0.2]},
    "step": {"iterations": 2, "variant": "dual"},
}
FINER: dict[str, dict[str, Any]] = {
    "ep_2d": {"iterations": 12},
    "ep_3d": {"iterations": 12},
    "step": {"iterations": 24},
    "lime": {"samples": 40, "cells": 3},
    "frame_shapley": {"segments": 6},
    "rise": {"masks": 40},
    "occlusion": {"box": 16, "stride": 16, "box_frames": 4, "stride_frames": 4},
}
"""What lets a method's maps of two networks differ."""
STOCHASTIC = {"smooth_grad", "rise", "lime"}
RECTIFIED = {"grad_cam", "contrastive_excitation_backprop"}
"""Methods whose map is 0 where there is no evidence for the target."""

REFUSALS = {
    "swin3d": r"cut them into windows \(Swin\)",
    **dict.fromkeys(("i3d", "r3d", "mc3", "r2plus1d", "tsm"), "The network has no attention"),
}
"""Families where the methods that read attention refuse, and what they say."""

TRANSFORMERS = {"videomae", "swin3d"}
"""Families without ReLUs, where TorchRay's methods refuse."""

TIMEOUT_S = 600


@pytest.fixture(scope="module", params=MODELS)
def classifier(request: pytest.FixtureRequest) -> Classifier:
    name: str = request.param
    if name == "i3d-kinetics400":
        real: Classifier = request.getfixturevalue("i3d")
        return real
    return zoo.load(name)


@pytest.fixture(scope="module")
def prepared(classifier: Classifier) -> PreparedClip:
    """As small as the networks take, and with three sides to be told apart."""
    if classifier.card.input.height > 64:
        clip = classifier.prepare(blocks(16, 240, 256))[:, :, :96, :128]
    else:
        clip = classifier.prepare(blocks(8, 64, 64))[:, :, :32, :48]
    return PreparedClip(clip.contiguous(), None, {})


@pytest.fixture(scope="session")
def torchray(torchvision: ModuleType) -> ModuleType:
    """TorchRay, which needs a torchvision that can be imported."""
    del torchvision
    module: ModuleType = pytest.importorskip("torchray")
    return module


@pytest.fixture
def entries(request: pytest.FixtureRequest, classifier: Classifier) -> list[Entry]:
    """All methods of the network, an extra's where it is installed."""
    own = [entry for entry in catalogue.ENTRIES if not is_refused(classifier, entry)]
    try:
        request.getfixturevalue("torchray")
    except pytest.skip.Exception:
        return [entry for entry in own if entry.extra is None]
    return own


@pytest.fixture(params=catalogue.ENTRIES, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest, classifier: Classifier) -> Entry:
    """Each method of the network, an extra's where it is installed."""
    method: Entry = request.param
    if method.extra is not None:
        request.getfixturevalue(method.extra)
    if is_refused(classifier, method):
        pytest.skip("refused, as another test shows")
    return method


def is_refused(classifier: Classifier, entry: Entry) -> bool:
    family = classifier.card.family
    if entry.module == "torchray_adapter":
        return family in TRANSFORMERS
    return "attention" in entry.needs and family in REFUSALS


def explainer(
    classifier: Classifier, entry: Entry, prepared: PreparedClip, seed: int = 0
) -> Explainer:
    given = QUICK.get(entry.name, {})
    if entry.name == "occlusion":
        frames, height = prepared.clip.shape[1:3]
        side = height // 2
        given = {"box": side, "stride": side, "box_frames": frames, "stride_frames": frames}
    return Explainer.of(classifier, entry.name, given, seed=seed)


def explain(
    classifier: Classifier, entry: Entry, prepared: PreparedClip, seed: int = 0
) -> Saliency:
    runner = ModelRunner(classifier.network, "cpu")
    return run(runner, explainer(classifier, entry, prepared, seed).attribute(prepared, 3))


def named(value: Any) -> set[str]:
    """All names in nested diagnostics."""
    if isinstance(value, list):
        return {name for each in value for name in named(each)}
    if isinstance(value, Mapping):
        return {*value, *(name for each in value.values() for name in named(each))}
    return set()


def test_map_is_finite_of_the_clips_shape_and_repeatable(
    classifier: Classifier, prepared: PreparedClip, entry: Entry
) -> None:
    before = {key: value.clone() for key, value in classifier.network.state_dict().items()}
    saliency = explain(classifier, entry, prepared)
    assert saliency.map.shape == tuple(prepared.clip.shape[1:])
    assert saliency.map.dtype == np.float32
    assert np.isfinite(saliency.map).all()
    assert named(saliency.diagnostics) <= DIAGNOSTICS.keys(), "a report explains each"
    assert saliency.map.max() > saliency.map.min() or entry.name in RECTIFIED
    assert saliency.signed == entry.signed
    assert saliency.signed or saliency.map.min() >= 0
    np.testing.assert_array_equal(saliency.map, explain(classifier, entry, prepared).map)
    other = explain(classifier, entry, prepared, seed=1)
    assert np.array_equal(saliency.map, other.map) == (entry.name not in STOCHASTIC)
    after = classifier.network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_closing_at_any_yield_leaves_no_hook_and_no_memory(
    classifier: Classifier, prepared: PreparedClip, entry: Entry, hooks: Callable[[nn.Module], int]
) -> None:
    runner = ModelRunner(classifier.network, "cpu")
    readings: list[Reading] = []
    while True:
        work = explainer(classifier, entry, prepared).attribute(prepared, 3)
        try:
            probe = next(work)
            for reading in readings:  # what the network said before, it would say again
                probe = work.send(reading)
        except StopIteration:
            break
        readings.append(runner.evaluate(probe))
        clips = weakref.ref(probe.clips)
        work.close()
        assert hooks(classifier.network) == 0
        del probe, work
        if clips() is not None:
            gc.collect()
        assert clips() is None
    assert len(readings) >= 1


def test_concurrent_jobs_do_not_change_a_map(
    classifier: Classifier, prepared: PreparedClip, entries: list[Entry]
) -> None:
    with Engine(ModelRunner(classifier.network, "cpu")) as engine:
        jobs = [
            engine.submit(explainer(classifier, entry, prepared).attribute(prepared, 3))
            for entry in entries
        ]
        together = [job.result(TIMEOUT_S).map for job in jobs]
    for entry, values in zip(entries, together, strict=True):
        alone = explain(classifier, entry, prepared).map
        np.testing.assert_array_equal(values, alone, err_msg=entry.name)


def test_shared_passes_do_not_change_a_map(
    classifier: Classifier, prepared: PreparedClip, entry: Entry
) -> None:
    """Up to the rounding of other kernels, by which some of a network's ReLUs flip."""
    other = replace(prepared, clip=prepared.clip.flip(1).contiguous())
    with Engine(ModelRunner(classifier.network, "cpu", batch=4)) as engine:
        jobs = [
            engine.submit(explainer(classifier, entry, each).attribute(each, 3))
            for each in (prepared, other)
        ]
        together, others = (job.result(TIMEOUT_S).map for job in jobs)
    # After two steps a search may be at the same mask still.
    assert entry.name != "gradient" or not np.array_equal(together, others)
    alone = explain(classifier, entry, prepared).map
    # What occlusion subtracts are logits, which round at their own size.
    rounding = 1e-8 * alone.size**0.5 if entry.name == "occlusion" else 0.0
    # Each step's gradient moves the edge that the next step shows: on I3D 1e-6 becomes 2e-2.
    share = 5e-2 if entry.name == "ep_3d" else 1e-2
    assert np.linalg.norm(together - alone) <= share * np.linalg.norm(alone) + rounding


def test_randomised_weights_change_the_map(classifier: Classifier, entry: Entry) -> None:
    if classifier.card.input.height > 64:
        clip, target = classifier.prepare(blocks(16, 240, 256))[:, :, :96, :128].contiguous(), 3
    else:
        # For a class that a network excludes a search stays where it began.
        sample, target = motion.sample(4), 4
        frames = sample.frames[:: len(sample.frames) // classifier.card.input.frames]
        clip = classifier.prepare(frames)
    prepared = PreparedClip(clip, None, {})
    maps = []
    for network in (classifier, faithfulness.randomised(classifier, seed=9)):
        given = FINER.get(entry.name, QUICK.get(entry.name, {}))
        work = Explainer.of(network, entry.name, given).attribute(prepared, target)
        maps.append(run(ModelRunner(network.network, "cpu"), work).map)
    similar = faithfulness.similarity(*maps)
    assert similar is None or similar < 0.93


@pytest.mark.parametrize(
    "entry",
    [entry for entry in catalogue.ENTRIES if "attention" in entry.needs],
    ids=lambda entry: entry.name,
)
def test_methods_of_attention_refuse_a_network_whose_attention_cannot_be_followed(
    classifier: Classifier, prepared: PreparedClip, entry: Entry, hooks: Callable[[nn.Module], int]
) -> None:
    if not is_refused(classifier, entry):
        pytest.skip("has attention among all tokens")
    with pytest.raises(UnsuitableMethod, match=REFUSALS[classifier.card.family]) as caught:
        explain(classifier, entry, prepared)
    assert caught.value.status == 422
    assert hooks(classifier.network) == 0


@pytest.mark.parametrize(
    "entry",
    [entry for entry in catalogue.ENTRIES if entry.extra == "torchray"],
    ids=lambda entry: entry.name,
)
def test_methods_of_a_missing_extra_name_the_extra_and_its_licence(
    classifier: Classifier, prepared: PreparedClip, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("torchray.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchray", None)
    remedy = re.escape(install_command("torchray"))
    with pytest.raises(MissingExtra, match=f"{remedy}.*CC BY-NC") as caught:
        explain(classifier, entry, prepared)
    assert caught.value.status == 501
    assert caught.value.detail == {"extra": "torchray", "licence": "CC BY-NC 4.0"}


@pytest.mark.parametrize("entry", catalogue.ENTRIES, ids=lambda entry: entry.name)
def test_a_wrong_parameter_is_refused_with_the_allowed_ones(entry: Entry) -> None:
    with pytest.raises(InvalidParameter, match="no parameter 'nonsense'"):
        entry.parse({"nonsense": 1})
    for name, schema in entry.parameters.model_json_schema().get("properties", {}).items():
        wrong: list[Any] = [{"no": "value"}]
        if "minimum" in str(schema) or "exclusiveMinimum" in str(schema):
            wrong += [-1, 10**9]
        if "enum" in str(schema):
            wrong.append("nonsense")
        for value in wrong:
            if value == 10**9 and "aximum" not in str(schema):
                continue
            with pytest.raises(InvalidParameter, match=f"^{name} = ") as caught:
                entry.parse({name: value})
            assert schema["description"] in caught.value.message
            assert caught.value.detail["parameter"] == name
