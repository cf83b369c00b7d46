"""Progress, partial maps, cancellation and deadlines, through TorchServe."""

from __future__ import annotations

import json

import pytest
from tests.serving import clips
from tests.serving.api import Api, eventually
from tests.serving.conftest import BOTH

GOOD = {"video": clips.npz(clips.frames(16))}
LONG = {"method": "rise", "masks": "20000"}


@BOTH
def test_a_stream_from_its_place_in_the_queue_to_its_end(api: Api) -> None:
    fields = LONG | {"masks": "60", "stream": "true", "partial_every_s": "0.2", "target": "3"}
    response = api.predict(files=GOOD, data=fields)
    assert response.headers["content-type"] == "application/x-ndjson"
    accepted, *told, result, done = (json.loads(line) for line in response.text.splitlines())
    job = response.headers["X-VideoVisual-Job"]
    assert accepted == {"event": "accepted", "job": job, "queue": 0}
    answer = result["answer"]["explanations"][0]
    label = answer["target"]["label"]
    assert {(event["method"], event["target"]) for event in told} == {("rise", label)}
    progress = [event for event in told if event["event"] == "progress"]
    assert all(event["of"] == 60 for event in progress)
    assert progress[-1]["eta_s"] >= 0
    for event in told:
        if event["event"] == "partial":
            assert event["map"]["shape"] == answer["map"]["shape"]
    assert done == {"event": "done"}


@BOTH
def test_a_job_is_cancelled_by_its_id(api: Api) -> None:
    events = api.events(files=GOOD, data=LONG | {"stream": "true"})
    job = next(events)["job"]
    assert next(events)["event"] == "progress"
    assert api.cancel(job)
    *_, error, done = events
    assert (error["status"], error["error"]["code"]) == (499, "cancelled")
    assert done == {"event": "done"}
    # The server writes its log behind the answer's back.
    assert eventually(lambda: any(entry["request"] == job for entry in api.journal()))
    (entry,) = (entry for entry in api.journal() if entry["request"] == job)
    assert entry["steps_after_cancel"] <= 1
    assert not api.cancel(job)


def test_an_early_failure_has_its_status_and_a_late_one_is_told_in_band(api: Api) -> None:
    early = api.predict(files=GOOD, data=LONG | {"timeout_s": "0.5"})
    assert early.status_code == 504
    late = api.predict(files=GOOD, data=LONG | {"timeout_s": "3"})
    assert late.status_code == 200
    assert late.json() == early.json() | {"error": late.json()["error"]}
    assert late.json()["error"]["code"] == "deadline_exceeded"


@BOTH
@pytest.mark.parametrize("seconds", ["1.8", "4"])
def test_at_the_deadline_the_best_map_so_far(api: Api, seconds: str) -> None:
    fields = LONG | {"timeout_s": seconds, "partial": "true"}
    response = api.predict(files=GOOD, data=fields)
    assert response.status_code == 200
    (explanation,) = response.json()["explanations"]
    assert explanation["diagnostics"]["partial"] is True
    assert 0 < explanation["diagnostics"]["masks"] < 20000
