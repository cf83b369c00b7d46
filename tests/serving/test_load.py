"""Many requests at once: who is let in, what is answered, what is written down."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import numpy as np
import pytest
from tests.serving import clips
from tests.serving.api import TIMEOUT_S, Api, eventually

from videovisual.protocol import Answer
from videovisual.server.metrics import METRICS, Form
from videovisual.server.settings import Settings

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana.json"
GOOD = {"video": clips.npz(clips.frames(16))}
LONG = {"method": "rise", "masks": "20000", "stream": "true"}
PLACES = Settings().max_running + Settings().max_waiting

MARK = b"VIDEOVISUAL-CLIP-CONTENT"


@pytest.fixture(autouse=True)
def _same_worker_and_no_job_afterwards(api: Api) -> Iterator[None]:
    before = api.workers()
    yield
    assert api.workers() == before
    assert eventually(lambda: api.level("running") + api.level("waiting") == 0)


def test_a_full_model_refuses_explanations_and_still_classifies(api: Api) -> None:
    refused = api.level("refused_total")
    with ExitStack() as leaving:
        streams = [
            leaving.enter_context(closing(api.events(files=GOOD, data=LONG))) for _ in range(PLACES)
        ]
        with ThreadPoolExecutor(PLACES) as pool:
            accepted = list(pool.map(next, streams))
        assert (
            sorted(event["queue"] for event in accepted)[: Settings().max_running]
            == [0] * Settings().max_running
        )
        assert max(event["queue"] for event in accepted) == Settings().max_waiting
        over = api.predict(files=GOOD, data={"method": "gradient"})
        assert over.status_code == 503
        assert over.headers["Retry-After"] == "2"
        assert over.json()["error"]["detail"] == {"retry_after_s": 2, "reason": "jobs"}
        assert api.predict(files=GOOD).status_code == 200
        assert eventually(lambda: api.level("waiting") == Settings().max_waiting)
    assert eventually(lambda: api.level("refused_total") == refused + 1)


def test_answers_under_load_are_those_of_requests_alone(api: Api) -> None:
    requests_ = [
        {},
        {"method": "gradient"},
        {"method": "grad_cam"},
        {"method": "integrated_gradients", "steps": "3"},
        {"method": "step", "iterations": "3"},
        {"method": "rise", "masks": "6"},
    ]

    def ask(fields: dict[str, str]) -> Answer:
        response = api.predict(files=GOOD, data=fields)
        assert response.status_code == 200, response.text
        return Answer.model_validate(response.json())

    alone = [ask(fields) for fields in requests_]
    shuffled = list(zip(requests_, alone, strict=True)) * 3
    random.Random(0).shuffle(shuffled)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [fields for fields, _ in shuffled]))
    for answer, (_, expected) in zip(answers, shuffled, strict=True):
        # Alone a request has more threads, and sums of other parts round in other ways.
        assert [found.index for found in answer.predictions] == [
            found.index for found in expected.predictions
        ]
        for found, wanted in zip(answer.predictions, expected.predictions, strict=True):
            assert found.logit == pytest.approx(wanted.logit, abs=1e-4)
        for mine, yours in zip(answer.explanations, expected.explanations, strict=True):
            ours, theirs = mine.map.to_numpy(), yours.map.to_numpy()
            assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_jobs_whose_clients_left_are_gone_within_two_steps(api: Api) -> None:
    known = {entry["request"] for entry in api.journal()}
    jobs = []
    for _ in range(6):
        with closing(api.events(files=GOOD, data=LONG)) as events:
            jobs.append(next(events)["job"])
            assert next(events)["event"] == "progress"
    # Nobody asks for anything any more, so that TorchServe doesn't call the handler either.
    assert eventually(lambda: api.level("running") == 0)

    def ended() -> dict[str, int]:
        return {
            entry["request"]: entry["steps_after_cancel"]
            for entry in api.journal()
            if entry["request"] not in known and entry["status"] == 499
        }

    assert eventually(lambda: set(jobs) <= set(ended()))
    assert max(ended()[job] for job in jobs) <= 2


def test_every_metric_is_shown_and_the_dashboard_asks_for_no_other(api: Api) -> None:
    assert api.predict(files=GOOD).status_code == 200
    assert api.predict(files=GOOD, data={"method": "gradient"}).status_code == 200
    with closing(api.events(files=GOOD, data=LONG)) as events:
        assert api.cancel(next(events)["job"])
        list(events)
    queries = re.findall(r"videovisual_\w+", DASHBOARD.read_text("utf-8"))
    # A refusal needs a full model, which another test sees to.
    expected = {metric.name for metric in METRICS} | set(queries) - {"videovisual_refused_total"}

    def shown() -> set[str]:
        text = httpx.get(f"{api.server.metrics_url}/metrics", timeout=TIMEOUT_S).text
        series = set(re.findall(r"^(videovisual_\w+){", text, re.M))
        histograms = {metric.name for metric in METRICS if metric.form is Form.HISTOGRAM}
        return series | {name for name in histograms if f"{name}_bucket" in series}

    wanted = expected - {"videovisual_refused_total"}
    assert eventually(lambda: wanted <= shown(), 30), wanted - shown()


def test_no_log_holds_a_clip_or_a_token(api: Api) -> None:
    token = api.headers["Authorization"].split()[1]
    body = {"video": ("clip", MARK * 50)}
    refused = api.predict(files=body, headers={"X-Secret": MARK.decode()})
    assert refused.status_code == 415
    job = refused.headers["X-VideoVisual-Job"]
    assert eventually(lambda: any(entry["request"] == job for entry in api.journal()))
    (entry,) = (entry for entry in api.journal() if entry["request"] == job)
    assert (entry["event"], entry["status"], entry["methods"]) == ("answered", 415, [])
    folder = api.server.folder
    for log in [folder / "torchserve.log", *(folder / "logs").iterdir()]:
        content = log.read_bytes()
        assert MARK not in content, log
        assert token.encode() not in content, log


def test_the_dashboard_is_valid_json() -> None:
    assert json.loads(DASHBOARD.read_text("utf-8"))["title"] == "VideoVisual"
