"""An answer with NaN or infinity is an error, from every way into the pipeline."""

from __future__ import annotations

import copy
import io
import json
import time

import numpy as np
import pytest
import torch
from tests.frames import blocks
from torch import nn

import videovisual
from videovisual.errors import NotFinite
from videovisual.pipeline.finite import check_numbers, check_saliency
from videovisual.saliency import Saliency
from videovisual.server.request import Request
from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier

TIMEOUT_S = 60


class SteepAtZero(nn.Module):
    """Finite logits, whose gradient at a clip is infinite: the square root of zero."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(clips)
        return logits + (0 * clips).sqrt().mean(dim=(1, 2, 3, 4))[:, None]


@pytest.fixture
def frames() -> np.ndarray:
    return blocks(16, 64, 64)


@pytest.fixture
def broken(small: Classifier) -> Classifier:
    """A trained network with one negative variance, which gives NaN from there on."""
    network = copy.deepcopy(small.network)
    next(m for m in network.modules() if isinstance(m, nn.BatchNorm3d)).running_var[0] = -1
    return Classifier(small.card, network, "0")


@pytest.fixture
def steep(small: Classifier) -> Classifier:
    return Classifier(small.card, SteepAtZero(small.network), "0")


@pytest.mark.parametrize("options", [{}, {"views": 2}])
def test_logits_that_are_not_finite_are_no_classification(
    broken: Classifier, frames: np.ndarray, options: dict[str, int]
) -> None:
    with pytest.raises(NotFinite, match=r"10 of the 10 logits of \S+ are NaN or infinite"):
        videovisual.classify(broken, np.concatenate([frames] * 4), **options)


@pytest.mark.parametrize("method", ["grad_cam", "ep_3d", "rise"])
def test_nor_an_explanation(broken: Classifier, frames: np.ndarray, method: str) -> None:
    with pytest.raises(NotFinite, match="logits"):
        videovisual.explain(broken, frames, method=method)


@pytest.mark.parametrize(
    ("method", "given"),
    [("gradient", {}), ("integrated_gradients", {"steps": 2}), ("ep_3d", {"iterations": 2})],
)
def test_a_map_that_is_not_finite_is_an_error(
    steep: Classifier, frames: np.ndarray, method: str, given: dict[str, int]
) -> None:
    with pytest.raises(NotFinite, match=method):
        videovisual.explain(steep, frames, method=method, **given)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"method": b"grad_cam"},
        {"method": b"grad_cam", "output": b"npz"},
        {"method": b"gradient", "evaluate": b"true"},
        {"method": b"ep_3d", "iterations": b"3", "partial": b"true", "timeout_s": b"30"},
        {"method": b"ep_3d", "iterations": b"3", "stream": b"true", "partial_every_s": b"0.2"},
        {"views": b"2"},
    ],
    ids=str,
)
def test_a_server_answers_with_the_error(
    broken: Classifier, frames: np.ndarray, parts: dict[str, bytes]
) -> None:
    body = served(broken, frames, parts)
    error = json.loads(body)["error"]
    assert error["code"] == "not_finite"
    assert "NaN" not in body.decode().replace("are NaN", "")


def test_a_map_of_a_server_too(steep: Classifier, frames: np.ndarray) -> None:
    body = served(steep, frames, {"method": b"gradient", "output": b"npz"})
    assert json.loads(body)["error"]["code"] == "not_finite"


def test_a_number_deep_in_the_diagnostics_is_named() -> None:
    values = np.zeros((2, 3, 3), np.float32)
    facts = {"areas": [{"soft": 0.5, "course": [1.0, float("nan")]}]}
    with pytest.raises(NotFinite, match=r"diagnostics of step: areas\.course"):
        check_saliency("step", Saliency(values, signed=False, diagnostics=facts))
    with pytest.raises(NotFinite, match="the faithfulness: insertion"):
        check_numbers("the faithfulness", {"insertion": float("inf"), "deletion": None})
    check_numbers("the faithfulness", {"insertion": 1.0, "names": ["a"], "whole": 3})


def test_a_constant_map_is_said_to_be_one(small: Classifier, frames: np.ndarray) -> None:
    network = copy.deepcopy(small.network)
    nn.init.zeros_(network.get_parameter("fc.weight"))
    still = Classifier(small.card, network, "0")
    body = json.loads(served(still, frames, {"method": b"gradient", "evaluate": b"true"}))
    (explanation,) = body["explanations"]
    assert explanation["diagnostics"]["constant"] is True
    assert explanation["faithfulness"]["sensitivity_n"] is None
    assert "are all the same" in explanation["diagnostics"]["undefined"]["sensitivity_n"]


def served(classifier: Classifier, frames: np.ndarray, parts: dict[str, bytes]) -> bytes:
    """The body of the reply, or of a stream the line of its error or result."""
    buffer = io.BytesIO()
    np.savez(buffer, frames=frames)
    service = Service(classifier, settings=Settings(threads=1))
    try:
        state = service.submit(Request({"video": buffer.getvalue(), **parts}))
        deadline = time.monotonic() + TIMEOUT_S
        while state.reply is None:
            assert time.monotonic() < deadline, "no reply"
            service.wait(0.05)
        return bytes(state.reply.body)
    finally:
        service.close()
