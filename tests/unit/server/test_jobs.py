"""Jobs without a server: their states, their results, and how long those are kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.server.requests import SLOW, TIMEOUT_S, ask, npz

from videovisual.errors import JobDropped, JobNotDone, UnknownJob
from videovisual.protocol import Array, JobState
from videovisual.server.jobs import Jobs
from videovisual.server.metrics import JOB_RESULTS, Counts
from videovisual.server.reply import Reply
from videovisual.server.request import Request
from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier

Made = Callable[..., tuple[Service, Jobs]]


@pytest.fixture
def make(small: Classifier) -> Iterator[Made]:
    """Services with jobs, of some settings."""
    made: list[Service] = []

    def service(counts: Counts | None = None, **given: Any) -> tuple[Service, Jobs]:
        settings = Settings(**{"max_running": 1, "max_waiting": 1, "idle": False, **given})
        jobs = Jobs(settings, "/jobs")
        made.append(Service(small, settings=settings, counts=counts, jobs=jobs))
        return made[-1], jobs

    yield service
    for each in made:
        each.close()


def submit(service: Service, key: str | None = None, **parts: object) -> Reply:
    headers = {} if key is None else {"idempotency-key": key}
    given = {"video": npz(), "job": b"true", **parts}
    reply = service.submit(Request(given, headers)).reply
    assert reply is not None
    return reply


def begun(service: Service, key: str | None = None, **parts: object) -> str:
    reply = submit(service, key, **parts)
    assert reply.status == 202, reply.body
    state = JobState.model_validate_json(reply.body)
    assert reply.headers == {"Location": f"/jobs/{state.job}"}
    return state.job


def told(jobs: Jobs, job: str) -> JobState:
    return JobState.model_validate_json(jobs.state(job).body)


def until(jobs: Jobs, job: str, right: Callable[[JobState], bool]) -> JobState:
    deadline = time.monotonic() + TIMEOUT_S
    while not right(state := told(jobs, job)):
        assert time.monotonic() < deadline, state
        time.sleep(0.01)
    return state


def ended(jobs: Jobs, job: str) -> JobState:
    return until(jobs, job, lambda state: state.ended)


@pytest.mark.parametrize("output", [b"json", b"npz", b"png", b"html"])
def test_the_result_is_what_the_request_would_be_answered(make: Made, output: bytes) -> None:
    service, jobs = make()
    wanted = {"method": b"gradient", "output": output}
    direct = ask(service, **wanted)
    job = begun(service, **wanted)
    state = ended(jobs, job)
    assert (state.state, state.status, state.error) == ("done", 200, None)
    assert state.bytes == len(direct.body)
    assert jobs.result(job) == direct
    assert jobs.result(job) == direct


def test_a_job_is_told_from_its_place_in_the_queue_to_its_end(make: Made) -> None:
    service, jobs = make()
    first = begun(service, **SLOW, partial_every_s=b"0.2", target=b"1")
    second = begun(service, **SLOW)
    assert submit(service, **SLOW).status == 503
    assert (told(jobs, second).state, told(jobs, second).queue) == ("waiting", 1)
    running = until(jobs, first, lambda state: state.partial is not None)
    assert running.state == "running"
    assert running.progress is not None
    assert (running.progress.method, running.progress.of) == ("rise", 20000)
    assert running.partial is not None
    assert isinstance(running.partial.map, Array)
    with pytest.raises(JobNotDone, match="not ended"):
        jobs.result(first)
    jobs.delete(first)
    state = ended(jobs, first)
    assert (state.state, state.status, state.partial) == ("cancelled", 499, None)
    assert state.error is not None
    assert state.error.code == "cancelled"
    assert until(jobs, second, lambda state: state.progress is not None).state == "running"
    assert json.loads(about(service, {"cancel": second}).body) == {"cancelled": True}
    assert ended(jobs, second).state == "cancelled"


def about(service: Service, body: dict[str, str]) -> Reply:
    reply = service.submit(Request({"body": body}, {"content-type": "application/json"})).reply
    assert reply is not None
    return reply


def test_a_body_asks_for_the_same_as_the_routes(make: Made) -> None:
    service, jobs = make()
    job = begun(service)
    ended(jobs, job)
    state = JobState.model_validate_json(about(service, {"job_state": job}).body)
    assert state.model_copy(update={"kept_s": 0}) == told(jobs, job).model_copy(
        update={"kept_s": 0}
    )
    assert about(service, {"job_result": job}) == jobs.result(job)
    for body in ({"job_state": "nobody"}, {"job_result": "nobody"}):
        reply = about(service, body)
        assert (reply.status, json.loads(reply.body)["error"]["code"]) == (404, "unknown_job")


def test_a_failure_is_told_with_its_status(make: Made) -> None:
    service, jobs = make()
    job = begun(service, **SLOW, timeout_s=b"0.2")
    state = ended(jobs, job)
    assert (state.state, state.status) == ("failed", 504)
    assert state.error is not None
    assert state.error.code == "deadline_exceeded"
    assert jobs.result(job).status == 504
    assert submit(service, method=b"nothing").status == 422


def test_a_deleted_search_ends_with_its_best_map(make: Made) -> None:
    service, jobs = make()
    job = begun(service, **SLOW, partial=b"true")
    until(jobs, job, lambda state: state.progress is not None and state.progress.step > 0)
    jobs.delete(job)
    assert ended(jobs, job).state == "done"
    (explanation,) = json.loads(jobs.result(job).body)["explanations"]
    assert explanation["diagnostics"]["partial"] is True
    jobs.delete(job)
    with pytest.raises(JobDropped, match="was deleted"):
        jobs.result(job)


def test_results_are_kept_for_a_time(make: Made) -> None:
    service, jobs = make(job_keep_s=0.5)
    job = begun(service)
    with pytest.raises(JobDropped, match=r"kept for 0\.5 s.*job_keep_s"):
        until(jobs, job, lambda _: False)
    with pytest.raises(UnknownJob, match="no job 'nobody'"):
        jobs.state("nobody")


def test_results_are_kept_within_a_memory(make: Made) -> None:
    counts = Counts()
    service, jobs = make(counts, job_bytes=1_000_000)
    several: list[str] = []
    for _ in range(3):
        several.append(begun(service, method=b"gradient"))
        size = ended(jobs, several[-1]).bytes
        assert size is not None
        assert 1_000_000 / 3 < size < 1_000_000 / 2
    for kept in several[1:]:
        assert jobs.result(kept).status == 200
    with pytest.raises(JobDropped, match=r"made room.*1000000 bytes.*job_bytes"):
        jobs.result(several[0])
    service.measure()
    (kept,) = (each.value for each in counts.drain() if each.metric is JOB_RESULTS)
    assert 2 * size < kept <= 1_000_000
    long = {"method": b"gradient", "target": b"[0, 1, 2]"}
    refused = submit(service, **long)
    assert (refused.status, json.loads(refused.body)["error"]["code"]) == (413, "too_large")
    assert ask(service, **long).status == 200


def test_a_request_that_is_sent_twice_is_one_job(make: Made) -> None:
    service, jobs = make()
    job = begun(service, "key")
    assert begun(service, "key") == job
    ended(jobs, job)
    assert begun(service, "key") == job
    assert begun(service, "key", top_k=b"2") != job
    assert begun(service, "key", video=npz(17)) != job
    assert begun(service, "another key") != job
    jobs.delete(job)
    assert begun(service, "key") != job


def test_what_cannot_be_a_job_is_refused(make: Made, small: Classifier) -> None:
    service, _ = make()
    assert submit(service, stream=b"true").status == 422
    alone = Service(small)
    one_of_several, _ = make(jobs=False)
    for each in (alone, one_of_several):
        refused = submit(each)
        assert (refused.status, json.loads(refused.body)["error"]["detail"]) == (
            422,
            {"parameter": "job"},
        )
    alone.close()


def test_a_server_that_stops_ends_its_jobs_and_says_so(make: Made) -> None:
    service, jobs = make()
    assert not jobs.untold
    job = begun(service, **SLOW)
    jobs.stop()
    assert jobs.untold
    state = ended(jobs, job)
    assert (state.state, state.status) == ("failed", 503)
    assert state.error is not None
    assert state.error.detail["reason"] == "stopping"
    assert not jobs.untold
    refused = submit(service)
    assert (refused.status, json.loads(refused.body)["error"]["detail"]["reason"]) == (
        503,
        "stopping",
    )
    assert ask(service).status == 200
