"""A network of a user's own, served as data by a real TorchServe that has none of its code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.zoo.program.networks import LABELS, Convolutional, classifier

import videovisual
from videovisual import motion
from videovisual_client import Client
from videovisual_client.torchserve import Server


def test_an_exported_network_is_served(tmp_path: Path) -> None:
    model = classifier(Convolutional())
    store = tmp_path / "store"
    model.archive("mine", store=store)
    frames = motion.sample(0, split="test").frames
    here = videovisual.classify(model, frames)
    with (
        Server(["mine"], store=store) as server,
        Client(server.url, key_file=server.key_file) as client,
    ):
        there = client.classify(frames, model="mine")
        assert {each.label for each in there.predictions} == set(LABELS)
        for one, other in zip(here.predictions, there.predictions, strict=True):
            assert one.label == other.label
            assert other.probability == pytest.approx(one.probability, rel=1e-4)
        for method in ("gradient", "occlusion"):
            served = client.explain(frames, model="mine", method=method).saliency
            expected = videovisual.explain(model, frames, method=method)
            np.testing.assert_allclose(served.map, expected.map, rtol=1e-3, atol=1e-5)
            assert served.provenance["weights_sha256"] == model.weights_sha256
