"""`videovisual explainer` as KServe starts it: two processes, and a client."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.predictor_server import CARD, LABELS, Predictor, colours, predictor

from videovisual import Classifier, InputSpec, explain
from videovisual.protocol import Array

DEADLINE_S = 120


@pytest.fixture(scope="module")
def server() -> Iterator[Predictor]:
    with predictor() as found:
        yield found


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "card.json"
    path.write_text(json.dumps(CARD))
    return path


@contextmanager
def explainer(host: str, model: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and its address once it is ready; none where it ends before."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "videovisual_client", "explainer", "--json"),
            *("--model_name", model, "--predictor_host", host, "--http_port", free_port()),
            *("--workers", "2", *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield process, said.get("url", "")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)


def free_port() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return str(bound.getsockname()[1])


def frames() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 255, (4, 6, 8, 3), np.uint8)


def instance() -> dict[str, str]:
    buffer = io.BytesIO()
    np.savez(buffer, frames=frames())
    return {"b64": base64.b64encode(buffer.getvalue()).decode()}


def ask(url: str, verb: str, model: str, **parameters: Any) -> httpx.Response:
    body = {"instances": [instance()], "parameters": parameters}
    return httpx.post(f"{url}/v1/models/{model}:{verb}", json=body, timeout=DEADLINE_S)


def test_a_v1_predictor_is_explained_and_asked(server: Predictor, card: Path) -> None:
    with explainer(server.host, "colours", "--card", str(card)) as (process, url):
        here = Classifier.from_scores(colours, LABELS, InputSpec(frames=4, size=(6, 8)))
        for method in (None, "rise", "lime", "frame_shapley"):
            given = {"method": method} if method else {}
            answer = ask(url, "explain", "colours", target="red", **given)
            assert answer.status_code == 200, answer.text
            ((found,),) = answer.json()["explanations"]
            expected = explain(here, frames(), method or "occlusion", "red")
            values = Array.model_validate(found["map"]).to_numpy()
            np.testing.assert_allclose(values, expected.map, atol=1e-5)
            assert found["method"] == (method or "occlusion")
        # Tensors of someone else's go to the predictor as they are.
        clips = here.prepare(frames()).numpy()[None]
        predicted = httpx.post(
            f"{url}/v1/models/colours:predict", json={"instances": clips.tolist()}
        )
        np.testing.assert_allclose(predicted.json()["predictions"], colours(clips), rtol=1e-5)
        classified = httpx.post(f"{url}/predictions/colours", json={"video": instance()["b64"]})
        (best, *_) = classified.json()["predictions"]
        assert best["label"] == LABELS[int(colours(clips)[0].argmax())]
        # What goes wrong here has the shape of all errors; what goes wrong there is passed on.
        assert ask(url, "explain", "colours", method="step").json()["error"]["code"] == (
            "unsuitable_method"
        )
        assert ask(url, "predict", "other").json()["error"]["code"] == "unknown_model"
        form = httpx.post(f"{url}/v1/models/colours:predict", files={"video": b"x"})
        assert form.json()["error"]["code"] == "invalid_request"
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


@pytest.mark.slow
def test_a_v2_predictor_describes_itself(server: Predictor) -> None:
    with explainer(server.host, "described", "--predictor_protocol", "v2") as (_, url):
        answer = ask(url, "explain", "described", method="frame_shapley")
        assert answer.status_code == 200
        # By v2 the predictor takes no `:predict`, so clips are classified.
        classified = ask(url, "predict", "described")
        assert classified.json()["predictions"][0]["predictions"][0]["label"] in LABELS


@pytest.mark.slow
def test_it_waits_for_a_predictor_and_tells_when_that_has_gone(card: Path) -> None:
    port = free_port()
    command = [
        *(sys.executable, "-m", "videovisual_client", "explainer", "--json", "--card", str(card)),
        *("--model_name", "colours", "--predictor_host", f"127.0.0.1:{port}"),
        *("--http_port", free_port(), "--predictor_request_retries", "0"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        assert "can't be reached" in process.stderr.readline()
        with predictor(int(port)) as own:
            url = json.loads(process.stdout.readline())["url"]
            assert ask(url, "explain", "colours", method="frame_shapley").status_code == 200
            own.stop()
            for verb in ("explain", "predict"):
                answer = ask(url, verb, "colours")
                assert answer.status_code == 502
                assert answer.json()["error"]["code"] == "predictor_unreachable"
            # The explainer itself is well.
            assert httpx.get(f"{url}/ping").status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


@pytest.mark.slow
def test_it_stops_in_time_while_the_predictor_hangs(server: Predictor, card: Path) -> None:
    options = ("--card", str(card), "--grace", "0")
    with explainer(server.host, "stalls", *options) as (process, url):
        answers: list[int] = []
        thread = threading.Thread(
            target=lambda: answers.append(ask(url, "explain", "stalls").status_code)
        )
        thread.start()
        until = time.monotonic() + DEADLINE_S
        while not httpx.get(f"{server.url}/stats/stalls").json()["hanging"]:
            assert time.monotonic() < until
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        thread.join(DEADLINE_S)
        assert answers in ([502], [503])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "options", "code"),
    [
        ("nan", (), "predictor_failed"),
        ("colours", ("--predictor_protocol", "v2"), "invalid_weights"),
        ("absent", ("--predictor_protocol", "v2", "--wait", "0"), "predictor_failed"),
    ],
)
def test_one_that_can_not_start_says_why(
    server: Predictor, card: Path, model: str, options: tuple[str, ...], code: str
) -> None:
    given = () if code == "invalid_weights" else ("--card", str(card))
    command = [
        *(sys.executable, "-m", "videovisual_client", "explainer", "--json", "--model_name", model),
        *("--predictor_host", server.host, "--http_port", free_port(), *given, *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == code
    assert "Traceback" not in done.stderr
