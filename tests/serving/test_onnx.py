"""An ONNX model, served by onnxruntime in a real TorchServe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.onnx_network import LABELS, SPEC, Network, proto, saved

import videovisual
from videovisual import Classifier, motion
from videovisual.errors import UnsuitableMethod
from videovisual_client import Client
from videovisual_client.torchserve import Server

onnxruntime = pytest.importorskip("onnxruntime")


def test_an_onnx_model_is_served(tmp_path: Path) -> None:
    file = saved(tmp_path, proto(Network().eval().requires_grad_(False)))
    model = Classifier.from_onnx(file, LABELS, SPEC, layout="NCTHW", scores="sigmoid")
    store = tmp_path / "store"
    model.archive("mine", store=store)
    frames = motion.sample(0, split="test").frames
    here = videovisual.classify(model, frames)
    with (
        Server(["mine"], store=store) as server,
        Client(server.url, key_file=server.key_file) as client,
    ):
        there = client.classify(frames, model="mine")
        for one, other in zip(here.predictions, there.predictions, strict=True):
            assert one.label == other.label
            assert other.probability == pytest.approx(one.probability, rel=1e-4)
        served = client.explain(frames, model="mine", method="rise", masks=20).saliency
        expected = videovisual.explain(model, frames, method="rise", masks=20)
        np.testing.assert_allclose(served.map, expected.map, rtol=1e-3, atol=1e-5)
        assert served.provenance["weights_sha256"] == model.weights_sha256
        assert served.provenance["onnxruntime"] == onnxruntime.__version__
        with pytest.raises(UnsuitableMethod):
            client.explain(frames, model="mine", method="gradient")
