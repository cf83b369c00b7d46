"""The `polarity` of a request, in maps and in answers."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
import torch
from tests.frames import blocks

from videovisual import explain
from videovisual.attribution import catalogue
from videovisual.errors import InvalidParameter
from videovisual.protocol import Answer
from videovisual.server.request import Request
from videovisual.server.service import Service
from videovisual.zoo import Classifier

SIGNED = [entry.name for entry in catalogue.ENTRIES if entry.signed]
UNSIGNED = [entry.name for entry in catalogue.ENTRIES if not entry.signed]
QUICK = {
    "integrated_gradients": {"steps": 2},
    "occlusion": {"box": 32, "stride": 32},
    "lime": {"samples": 40, "cells": 3},
    "frame_shapley": {"segments": 6},
}
TIMEOUT_S = 60


@pytest.fixture
def clip(small: Classifier) -> torch.Tensor:
    return small.prepare(blocks(8, 64, 64))[:, :, :32, :48].contiguous()


@pytest.mark.parametrize("method", [name for name in SIGNED if name != "linear_approx"])
def test_a_signed_method_has_two_sides(small: Classifier, clip: torch.Tensor, method: str) -> None:
    given = QUICK.get(method, {})
    both, positive, negative = (
        explain(small, clip, method, 1, polarity=polarity, **given)
        for polarity in ("both", "positive", "negative")
    )
    assert both.signed
    assert both.map.min() < 0, "`both` must not zero the negatives"
    np.testing.assert_array_equal(positive.map, both.map.clip(min=0))
    np.testing.assert_array_equal(negative.map, (-both.map).clip(min=0))
    assert not positive.signed
    assert not negative.signed
    np.testing.assert_array_equal(negative.signed_map, both.map)
    assert both.provenance["polarity"] == "both"
    assert negative.provenance["polarity"] == "negative"


@pytest.mark.parametrize("method", UNSIGNED)
def test_the_negative_side_of_an_unsigned_method_is_refused_before_any_pass(
    small: Classifier, method: str
) -> None:
    with pytest.raises(InvalidParameter, match=f"{method} is unsigned.*Give positive or both"):
        explain(small, torch.full((3, 8, 32, 32), torch.nan), method, 1, polarity="negative")


@pytest.mark.parametrize("method", ["gradient", "grad_cam"])
def test_the_positive_side_of_an_unsigned_method_is_its_map(
    small: Classifier, clip: torch.Tensor, method: str
) -> None:
    maps = [explain(small, clip, method, 1, polarity=side).map for side in ("both", "positive")]
    np.testing.assert_array_equal(*maps)


def test_an_unknown_polarity_is_refused(small: Classifier, clip: torch.Tensor) -> None:
    with pytest.raises(InvalidParameter, match="polarity = 'neutral' is not allowed"):
        explain(small, clip, "gradient_x_input", 1, polarity="neutral")  # type: ignore[arg-type]


def ask(service: Service, **parts: bytes) -> tuple[int, bytes]:
    buffer = io.BytesIO()
    np.savez(buffer, frames=blocks(16, 64, 64))
    state = service.submit(Request({"video": buffer.getvalue(), **parts}))
    deadline = time.monotonic() + TIMEOUT_S
    while state.reply is None:
        assert time.monotonic() < deadline, "no reply"
        service.wait(0.01)
    return state.reply.status, state.reply.body


def test_an_answer_has_one_side_and_the_signed_map(small: Classifier) -> None:
    service = Service(small)
    try:
        gxi = {"method": b"gradient_x_input", "target": b'["1", "2"]', "polarity": b"negative"}
        status, body = ask(service, **gxi)
        assert status == 200
        first = Answer.model_validate_json(body).explanations[0].to_saliency()
        status, npz = ask(service, **gxi, output=b"npz")
        assert status == 200
        with np.load(io.BytesIO(npz), allow_pickle=False) as arrays:
            np.testing.assert_array_equal(arrays["signed_map"], first.signed_map)
            assert "signed_map" not in json.loads(str(arrays["answer"]))["explanations"][0]
            for number in ("", "_1"):
                signed = arrays[f"signed_map{number}"]
                assert signed.min() < 0 < signed.max()
                np.testing.assert_array_equal(arrays[f"map{number}"], (-signed).clip(min=0))
        status, body = ask(service, method=b'["ig", "grad_cam"]', polarity=b"negative")
        assert status == 422
        assert "grad_cam is unsigned" in json.loads(body)["error"]["message"]
    finally:
        service.close()
