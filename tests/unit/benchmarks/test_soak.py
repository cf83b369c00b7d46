"""The soak's inputs can be made again, and its oracle sees what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.soak.connection import UNSPOKEN, Received
from benchmarks.soak.inputs import SHARES, Inputs
from benchmarks.soak.progress import Progress
from benchmarks.soak.structure import spans
from benchmarks.soak.verdict import Wrong, outcome
from benchmarks.soak.watch import growth

MODELS = ["one", "two"]
ANSWER: dict[str, Any] = {
    "model": "one",
    "predictions": [{"index": 0, "label": "a", "probability": 0.5, "logit": 1.0}],
    "clip": {},
}
ERROR: dict[str, Any] = {"error": {"code": "invalid_target", "message": "None.", "detail": {}}}


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return Inputs(0, MODELS, "key")


def received(document: Any, status: int = 200, kind: str = "application/json") -> Received:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Received(status, {"content-type": kind}, body, whole=True)


def with_error(**facts: Any) -> dict[str, Any]:
    return {"error": ERROR["error"] | facts}


def test_an_input_follows_from_its_number_alone(inputs: Inputs) -> None:
    again = Inputs(0, MODELS, "key")
    assert [again[index] for index in reversed(range(400))] == [
        inputs[index] for index in reversed(range(400))
    ]
    assert Inputs(1, MODELS, "key")[1] != inputs[1]


def test_every_kind_is_made(inputs: Inputs) -> None:
    assert {inputs[index].kind for index in range(400)} == {*SHARES, "control"}


def test_every_container_has_numbers_to_damage(inputs: Inputs) -> None:
    for name, data in inputs.originals.items():
        numbers = [span for span in spans(data) if span.order]
        assert len(numbers) > 1, name
        assert all(0 <= span.start < span.end <= len(data) for span in numbers), name


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (received(ANSWER), "200"),
        (received({"predictions": [ANSWER]}), "200"),
        (received({"cancelled": False}), "200"),
        (received(ERROR, 422), "422 invalid_target"),
        (received(ERROR, 200), "422 invalid_target"),
        (received(b'{"event":"accepted"}\n{"event":"result"}\n{"event":"done"}\n', 200,
                  "application/x-ndjson"), "200"),
    ],
)  # fmt: skip
def test_a_right_answer(answer: Received, expected: str) -> None:
    assert outcome(answer, foreign=False) == expected


@pytest.mark.parametrize(
    "answer",
    [
        Received(UNSPOKEN),
        Received(200, {"content-type": "application/json"}, b"{", whole=False),
        received(json.dumps(ANSWER).replace("1.0", "NaN").encode()),
        received({**ANSWER, "predictions": []}),
        received({**ANSWER, "predictions": [ANSWER["predictions"][0] | {"probability": 1.5}]}),
        received(ERROR, 400),
        received({**ERROR, "more": 1}, 422),
        received(with_error(code="internal"), 500),
        received(with_error(code="unheard_of"), 422),
        received(with_error(message=""), 422),
        received(with_error(message="a" * 1001), 422),
        received(with_error(detail={"given": "a" * 30_000}), 422),
        received({"code": 500, "type": "InternalServerException", "message": ""}, 500),
        received(b"\x89PNG", kind="image/png"),
        received(b"", kind="text/html"),
        received(b'{"event":"accepted"}\n{"event":"done"}\n', kind="application/x-ndjson"),
    ],
)
def test_a_wrong_answer(answer: Received) -> None:
    with pytest.raises(Wrong):
        outcome(answer, foreign=False)


def test_torchserves_own_answer() -> None:
    refused = received({"code": 404, "type": "ModelNotFoundException", "message": ""}, 404)
    assert outcome(refused, foreign=True) == "TorchServe's own: 404"
    with pytest.raises(Wrong):
        outcome(refused, foreign=False)
    died = received({"code": 500, "type": "InternalServerException", "message": ""}, 500)
    with pytest.raises(Wrong):
        outcome(died, foreign=True)


def test_progress_is_read_as_it_was_written(tmp_path: Path) -> None:
    progress = Progress(seed=3, next=7, seconds=1.5, memory=[[{"at_s": 0.0, "one": 5.0}]])
    progress.note("clip", "200", 0.25)
    progress.write(tmp_path / "progress.json")
    assert Progress.read(tmp_path / "progress.json") == progress


def test_growth_is_the_slope_of_the_last_two_thirds() -> None:
    samples = [{"at_s": float(at), "one": 100 + max(0, at - 4) / 2} for at in range(13)]
    assert growth(samples) == {"one": pytest.approx(4 / 102, abs=1e-4)}
    assert growth(samples[:3]) == {}


def test_growth_is_not_that_of_a_single_rest() -> None:
    noise = [0, 1, -1, 0, -8, 1, 0, 0]
    samples = [{"at_s": float(at), "one": 100.0 + each} for at, each in enumerate([0] * 4 + noise)]
    assert abs(growth(samples)["one"]) <= 0.01
