"""`Classifier.from_url`, against a predictor in another process."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies
from tests.predictor_server import CARD, LABELS, SHAPE, Predictor, colours, predictor

from videovisual import Classifier, InputSpec, explain
from videovisual.errors import (
    InvalidParameter,
    PredictorError,
    PredictorTimeout,
    PredictorUnreachable,
    WeightsError,
)
from videovisual.zoo.predictor.predictor import card_of
from videovisual.zoo.predictor.v1 import V1
from videovisual.zoo.predictor.v2 import V2

SPEC = InputSpec(frames=4, size=(6, 8))
BYTES = InputSpec(frames=4, size=(6, 8), value_range=(0, 255))


@pytest.fixture(scope="module")
def server() -> Iterator[Predictor]:
    with predictor() as found:
        yield found


def connect(
    server: Predictor, model: str, protocol: str = "v1", spec: InputSpec = SPEC, **given: Any
) -> Classifier:
    url = f"{server.url}/{protocol}/models/{model}"
    return Classifier.from_url(url, LABELS, spec, **given)


def asked(server: Predictor, model: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/stats/{model}").json()
    return found


def clips(count: int = 1) -> torch.Tensor:
    return torch.rand((count, *SHAPE), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("protocol", "model", "given"),
    [
        ("v1", "colours", {}),
        ("v1", "named", {"output": "scores"}),
        ("v2", "colours", {"binary": False}),
        ("v2", "colours", {"binary": True}),
        ("v2", "half", {}),
        ("v2", "fixed", {}),
        ("v2", "loose", {"layout": "NTHWC"}),
    ],
)
def test_scores_come_from_the_other_process(
    server: Predictor, protocol: str, model: str, given: dict[str, Any]
) -> None:
    classifier = connect(server, model, protocol, **given)
    asked(server, model)
    found = classifier.logits(clips(5))
    rough = 2e-3 if model == "half" else 1e-5
    np.testing.assert_allclose(found, colours(clips(5).numpy()), rtol=rough)
    assert classifier.card.name == model
    expected = [4, 4] if model == "fixed" else [5]
    assert asked(server, model)["sizes"] == expected


@pytest.mark.parametrize("binary", [False, True])
def test_uint8_frames_are_sent_as_bytes(server: Predictor, binary: bool) -> None:
    classifier = connect(server, "bytes", "v2", BYTES, binary=binary)
    given = (255 * clips(2)).round()
    found = classifier.logits(given)
    np.testing.assert_allclose(found, colours(given.numpy()) / 255, rtol=1e-5)


def test_an_explanation_equals_that_of_the_same_function_here(server: Predictor) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (4, 6, 8, 3), np.uint8)
    here = Classifier.from_scores(colours, LABELS, SPEC)
    there = connect(server, "colours", "v2", batch=4, concurrency=2)
    asked(server, "colours")
    for method in ("occlusion", "frame_shapley"):
        found = explain(there, frames, method, "red")
        expected = explain(here, frames, method, "red")
        np.testing.assert_allclose(found.map, expected.map, atol=1e-6)
        assert found.map.std() > 0
    assert found.provenance["predictor"] == f"{server.url}/v2/models/colours"
    # The passes of the methods are as large as the predictor takes.
    sizes = asked(server, "colours")["sizes"]
    assert max(sizes) == 4
    assert sorted(sizes)[len(sizes) // 2] == 4


def test_requests_are_bounded_in_number_and_run_at_once(server: Predictor) -> None:
    classifier = connect(server, "slow", batch=2, concurrency=3)
    asked(server, "slow")
    np.testing.assert_allclose(classifier.logits(clips(20)), colours(clips(20).numpy()), rtol=1e-5)
    told = asked(server, "slow")
    assert told["sizes"] == [2] * 10
    assert told["most"] == 3


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_batches_are_halved_where_they_are_too_large(server: Predictor, protocol: str) -> None:
    classifier = connect(server, "small", protocol, batch=8, concurrency=1)
    asked(server, "small")
    np.testing.assert_allclose(classifier.logits(clips(8)), colours(clips(8).numpy()), rtol=1e-5)
    assert asked(server, "small")["sizes"] == [8, 4, 2, 2, 2, 2]
    classifier.logits(clips(4))
    assert asked(server, "small")["sizes"] == [2, 2]


@pytest.mark.parametrize("model", ["flaky", "torn"])
def test_a_busy_answer_and_a_torn_connection_are_tried_again(server: Predictor, model: str) -> None:
    classifier = connect(server, model, retries=3)
    np.testing.assert_allclose(classifier.logits(clips(2)), colours(clips(2).numpy()), rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        ("busy", PredictorUnreachable, "can't be reached: it answered 503"),
        ("torn", PredictorUnreachable, "can't be reached: (RemoteProtocol|Read)Error"),
        ("hung", PredictorTimeout, "didn't answer within 0.5 s"),
        ("none", PredictorError, r"asked for 1 clips of \[3, 4, 6, 8\], and answered 500: out of"),
        ("text", PredictorError, "is no JSON"),
        ("words", PredictorError, "hold no numbers, but red"),
        ("short", PredictorError, "given 1 clips, and its `predictions` are 0 rows"),
        ("nan", PredictorError, "NaN or infinity"),
    ],
)
def test_what_goes_wrong_is_told(
    server: Predictor, model: str, kind: type[PredictorError], message: str
) -> None:
    asked(server, model)
    with pytest.raises(PredictorError, match=message) as caught:
        connect(server, model, retries=0, timeout_s=0.5)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("absent", "asked for its metadata, and answered 404"),
        ("cut", "says that its output 'scores' has 16 bytes, and 12 are there"),
        ("nan", "output 'scores' contains NaN"),
        ("short", r"given 1 clips, and its output 'scores' has the shape \[0, 3\]"),
        ("text", "is no JSON"),
    ],
)
def test_what_goes_wrong_in_v2_is_told(server: Predictor, model: str, message: str) -> None:
    with pytest.raises(PredictorError, match=message):
        connect(server, model, "v2")


def test_another_model_in_its_place_is_told(server: Predictor) -> None:
    asked(server, "changed")
    classifier = connect(server, "changed")
    classifier.logits(clips())
    with pytest.raises(PredictorError, match="Has another model taken its place"):
        classifier.logits(clips())


@pytest.mark.parametrize(
    ("model", "spec", "given", "message"),
    [
        ("flat", SPEC, {}, r"takes 'clips' FP32 \[-1, 576\]"),
        ("colours", InputSpec(frames=8, size=(6, 8)), {}, "no order of them fits"),
        ("colours", SPEC, {"layout": "NTHWC"}, "It fits NCTHW"),
        ("bytes", SPEC, {}, r"value_range=\(0, 255\)"),
        ("loose", SPEC, {}, "Say which it is by `layout`"),
    ],
)
def test_clips_that_the_model_does_not_take_are_refused(
    server: Predictor, model: str, spec: InputSpec, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message):
        connect(server, model, "v2", spec, **given)


def test_labels_that_do_not_fit_are_refused(server: Predictor) -> None:
    with pytest.raises(InvalidParameter, match=r"logits of shape \[1, 3\] for 2 labels"):
        Classifier.from_url(f"{server.url}/v1/models/colours", LABELS[:2], SPEC)


@pytest.mark.parametrize(
    "url",
    ["host", "ftp://host/v1/models/m", "http://host/v3/models/m", "http://host/v1/models/", 7],
)
def test_what_is_no_address_is_refused(url: Any) -> None:
    with pytest.raises(InvalidParameter, match="no address of a predictor"):
        Classifier.from_url(url, LABELS, SPEC)


@pytest.mark.parametrize("given", [{"batch": 0}, {"concurrency": 1.5}, {"timeout_s": True}])
def test_numbers_out_of_range_are_refused(server: Predictor, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="Give a number from"):
        connect(server, "colours", **given)


def test_a_predictor_that_has_gone_is_told_and_found_again(server: Predictor) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    with predictor(port) as own:
        classifier = connect(own, "colours", retries=0)
        own.stop()
        with pytest.raises(PredictorUnreachable, match="can't be reached: ConnectError"):
            classifier.logits(clips())
    with predictor(port):
        np.testing.assert_allclose(classifier.logits(clips()), colours(clips().numpy()), rtol=1e-5)


def test_closing_ends_what_waits(server: Predictor) -> None:
    classifier = connect(server, "colours")
    function: Any = classifier.network.function
    hung = httpx.URL(f"{server.url}/v1/models/hung")
    function._address = hung
    errors: list[Exception] = []

    def ask() -> None:
        try:
            classifier.logits(clips())
        except PredictorUnreachable as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until = time.monotonic() + 60
    while not asked(server, "hung")["sizes"]:
        assert time.monotonic() < until
    function.close()
    thread.join(60)
    assert len(errors) == 1
    with pytest.raises(PredictorUnreachable, match="is closed"):
        classifier.logits(clips())


def test_credentials_stay_out_of_messages_and_of_the_provenance(server: Predictor) -> None:
    url = server.url.replace("//", "//user:secret@") + "/v1/models/none"
    with pytest.raises(PredictorError) as caught:
        Classifier.from_url(url, LABELS, SPEC, headers={"X-Key": "secret"})
    assert "secret" not in str(caught.value.as_json())
    named = Classifier.from_url(url.replace("none", "colours"), LABELS, SPEC)
    assert "secret" not in str(named.card)
    assert named.network.runtime == {"predictor": f"{server.url}/v1/models/colours"}


def test_a_card_in_the_metadata(server: Predictor) -> None:
    url = f"{server.url}/v2/models"
    found = card_of(f"{url}/described", Classifier.from_url)
    assert found["labels"] == CARD["labels"]
    assert found["input"] == SPEC
    with pytest.raises(WeightsError, match=r"have no card\. Give one"):
        card_of(f"{url}/colours", Classifier.from_url)


def test_it_has_no_archive(server: Predictor, tmp_path: Any) -> None:
    with pytest.raises(InvalidParameter, match="known by its scores alone"):
        connect(server, "colours").archive("mine", store=tmp_path)


NAMES = (
    *("predictions", "outputs", "inputs", "name", "shape", "datatype", "data", "parameters"),
    "binary_data_size",
)
PLAIN = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.sampled_from(["", "scores", "FP32", "é"])
)
JSON = strategies.recursive(
    PLAIN,
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
OUTPUT = strategies.fixed_dictionaries(
    {
        "datatype": strategies.sampled_from(["FP32", "UINT8", "BYTES"]) | PLAIN,
        "shape": strategies.lists(strategies.integers(-1, 2), max_size=3) | PLAIN,
    },
    optional={"name": PLAIN, "data": JSON, "parameters": JSON},
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    JSON
    | strategies.fixed_dictionaries(
        {"outputs": strategies.lists(OUTPUT | PLAIN, min_size=1, max_size=2)}
    ),
    strategies.binary(max_size=8),
    strategies.sampled_from([None, "0", "2", "9" * 5000, "x"]),
)
def test_whatever_is_answered_is_scores_or_a_predictors_error(
    told: Any, rest: bytes, length: str | None
) -> None:
    head = json.dumps(told).encode()
    headers = {} if length is None else {"inference-header-content-length": length}
    tensor = V2("clips", "FP32", (-1, *SHAPE), True, {})
    calls: list[Callable[[], Any]] = [
        lambda: V1().outputs(head, {}, 1),
        lambda: tensor.outputs(head + rest, headers, 1),
        lambda: tensor.outputs(head + rest, {"inference-header-content-length": str(len(head))}, 1),
        lambda: V2.of(head, head, binary=None),
    ]
    for call in calls:
        with suppress(PredictorError, InvalidParameter):
            call()
