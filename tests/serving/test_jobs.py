"""Jobs: submitted, asked for, fetched, cancelled; and the clients that follow them."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from benchmarks.load.uvicorn import Uvicorn
from tests.serving import clips
from tests.serving.api import TIMEOUT_S, AnyServer, Api, eventually
from tests.serving.conftest import ANOTHER, BOTH, QUICK, STORE
from tests.serving.relay import Relay

from videovisual_client import AsyncClient, Cancelled, Client, Explained, Partial, Progress

CLIP = clips.npz(clips.frames(16))
LONG = {"method": "rise", "masks": "20000"}
RISE: dict[str, Any] = {"method": "rise", "masks": 40, "target": 3}
SECONDS = RISE | {"masks": 90}
"""Takes longer than the gateway lets a connection live."""


@pytest.fixture(scope="module")
def at(uvicorn: Uvicorn) -> Api:
    return Api(uvicorn, QUICK)


def get(at: Api, path: str, method: str = "GET", key: str | None = None) -> httpx.Response:
    headers = at.headers if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.request(method, at.server.url + path, headers=headers, timeout=TIMEOUT_S)


def begun(at: Api, options: dict[str, str]) -> str:
    """The address of a new job."""
    response = at.predict(content=CLIP, params={"job": "true", **options})
    assert response.status_code == 202, response.text
    state = response.json()
    assert state["state"] in {"waiting", "running", "done"}
    assert state["address"] == response.headers["location"] == f"/jobs/{state['job']}"
    assert state["job"] == response.headers["X-VideoVisual-Job"]
    return str(state["address"])


def until(at: Api, address: str, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    told: list[dict[str, Any]] = []

    def is_right() -> bool:
        told.append(get(at, address).json())
        return right(told[-1])

    assert eventually(is_right), told[-1]
    return told[-1]


def ended(at: Api, address: str) -> dict[str, Any]:
    return until(at, address, lambda state: state["state"] not in {"waiting", "running"})


@pytest.mark.parametrize("output", ["json", "npz", "png"])
def test_the_result_is_the_direct_answer_byte_for_byte(at: Api, output: str) -> None:
    options = {"method": "gradient", "output": output}
    direct = at.predict(content=CLIP, params=options)
    assert direct.status_code == 200
    address = begun(at, options)
    assert ended(at, address)["bytes"] == len(direct.content)
    result = get(at, address + "/result")
    assert result.content == direct.content
    for name in ("content-type", "content-length"):
        assert result.headers[name] == direct.headers[name]


FORMS = {
    "query": {"content": CLIP, "params": {"job": "true"}},
    "header": {"content": CLIP, "headers": {"X-VideoVisual-Job": "true"}},
    "field": {"files": {"video": CLIP}, "data": {"job": "true"}},
    "json": {"json": {"video": base64.b64encode(CLIP).decode(), "job": True}},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form_of_options_takes_it(at: Api, form: dict[str, Any]) -> None:
    response = at.predict(**form)
    assert response.status_code == 202, response.text
    assert ended(at, response.json()["address"])["state"] == "done"


def test_a_job_is_cancelled_and_its_client_may_leave(at: Api) -> None:
    address = begun(at, LONG)
    until(at, address, lambda state: state["progress"] is not None)
    early = get(at, address + "/result")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "job_not_done")
    assert get(at, address, "DELETE").status_code == 204
    state = ended(at, address)
    assert (state["state"], state["error"]["code"]) == ("cancelled", "cancelled")
    assert get(at, address + "/result").status_code == 499
    job = address.rpartition("/")[2]
    assert eventually(lambda: any(entry["request"] == job for entry in at.journal()))
    (entry,) = (entry for entry in at.journal() if entry["request"] == job)
    assert entry["steps_after_cancel"] <= 1
    assert get(at, address, "DELETE").status_code == 204
    gone = get(at, address)
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "job_dropped")
    assert get(at, address, "DELETE").status_code == 410


def test_a_job_needs_its_id_and_the_inference_key(at: Api) -> None:
    address = begun(at, {})
    for path in ("/jobs/nobody", "/jobs/nobody/result"):
        response = get(at, path)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_job")
    assert get(at, "/jobs/nobody", "DELETE").status_code == 404
    assert get(at, "/jobs").status_code == 404
    assert get(at, address, "POST").status_code == 405
    for key in ("wrong", at.server.keys().management):
        for method, path in (("GET", address), ("GET", address + "/result"), ("DELETE", address)):
            assert get(at, path, method, key).status_code == 401
    assert ended(at, address)["state"] == "done"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with little room."""
    settings = tmp_path_factory.mktemp("narrow") / "settings.json"
    facts = {"max_running": 1, "max_waiting": 1, "job_keep_s": 6, "job_bytes": 1_000_000}
    settings.write_text(json.dumps(facts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEOVISUAL_SETTINGS", str(settings))
        with Uvicorn([QUICK], STORE, "--grace", "1") as server:
            yield Api(server, QUICK)


def test_results_are_dropped_by_time_and_by_memory(narrow: Api) -> None:
    several = []
    for _ in range(4):
        several.append(begun(narrow, {"method": "gradient"}))
        size = ended(narrow, several[-1])["bytes"]
        assert 1_000_000 / 3 < size < 1_000_000 / 2
    first = get(narrow, several[0])
    assert (first.status_code, first.json()["error"]["code"]) == (410, "job_dropped")
    assert "job_bytes" in first.json()["error"]["message"]
    last = several[-1]
    assert eventually(lambda: get(narrow, last).status_code == 410)
    assert "job_keep_s" in get(narrow, last).json()["error"]["message"]


def test_more_jobs_than_there_is_room_for_are_refused_at_once(narrow: Api) -> None:
    addresses = [begun(narrow, LONG) for _ in range(2)]
    assert get(narrow, addresses[1]).json()["queue"] == 1
    for _ in range(5):
        refused = narrow.predict(content=CLIP, params={"job": "true", **LONG})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    for address in addresses:
        get(narrow, address, "DELETE")
        ended(narrow, address)


def test_a_server_that_stops_tells_how_its_jobs_ended(narrow: Api) -> None:
    assert isinstance(narrow.server, Uvicorn)
    address = begun(narrow, LONG)
    until(narrow, address, lambda state: state["progress"] is not None)
    narrow.server.process.send_signal(signal.SIGTERM)
    state = ended(narrow, address)
    assert (state["state"], state["status"]) == ("failed", 503)
    assert state["error"]["detail"]["reason"] == "stopping"
    assert narrow.server.process.wait(TIMEOUT_S) == 0


@BOTH
def test_a_polling_client_gets_the_same(server: AnyServer, client: Client, video: Path) -> None:
    told: list[Progress] = []
    maps: list[Partial] = []
    plain = client.explain(video, model=QUICK, **RISE)
    with Client(server.url, key_file=server.key_file, poll=True) as polling:
        result = polling.explain(
            video,
            model=QUICK,
            on_progress=told.append,
            on_partial=maps.append,
            partial_every_s=0.2,
            **RISE,
        )
        classes = polling.classify(video, model=QUICK)
    assert result.answer == plain.answer
    assert {event.of for event in told} == {RISE["masks"]}
    assert [event.step for event in told] == sorted({event.step for event in told})
    assert maps[0].map.shape == plain.saliency.map.shape
    assert classes.predictions == plain.predictions


@BOTH
def test_a_polled_job_that_is_left_ends(server: AnyServer, api: Api, video: Path) -> None:
    with Client(server.url, key_file=server.key_file, poll=True) as client:
        with client.submit(video, model=QUICK, method="rise", masks=20000) as job:
            assert isinstance(next(job), Progress)
        assert eventually(lambda: any(entry["request"] == job.id for entry in api.journal()))
        with client.submit(video, model=QUICK, method="rise", masks=20000) as job:
            assert job.cancel()
            with pytest.raises(Cancelled):
                job.result()


def test_a_gateway_that_cuts_connections_stops_no_polling_client(
    at: Api, plain: dict[str, Any], client_of: Callable[..., Explained]
) -> None:
    before = len(at.journal())
    with Relay(at.server.url, cut_s=1.0, lose=2) as relay:
        result = client_of(relay.url)
    assert result.answer.model_dump(mode="json") == plain
    # The first answer was lost, and still there was one job.
    assert relay.cut >= 1
    assert relay.lost >= 1
    assert eventually(lambda: len(at.journal()) > before)
    assert len(at.journal()) == before + 1


@pytest.fixture(scope="module")
def plain(at: Api) -> Any:
    """The answer over a connection that nobody cuts."""
    return at.predict(content=CLIP, params=SECONDS).json()


@pytest.fixture(params=["Client", pytest.param("AsyncClient", marks=pytest.mark.slow)])
def client_of(request: pytest.FixtureRequest, at: Api) -> Callable[..., Explained]:
    """Explains by either client."""
    given: dict[str, Any] = {"key_file": at.server.key_file, "poll": True}

    def blocking(url: str) -> Explained:
        with Client(url, **given) as client:
            return client.explain(CLIP, model=QUICK, **SECONDS)

    def awaited(url: str) -> Explained:
        async def main() -> Explained:
            async with AsyncClient(url, **given) as client:
                return await client.explain(CLIP, model=QUICK, **SECONDS)

        return asyncio.run(main())

    return blocking if request.param == "Client" else awaited


@pytest.mark.slow
def test_the_command_polls_and_cancels_its_job_when_interrupted(at: Api, video: Path) -> None:
    command = [sys.executable, "-m", "videovisual_client", "explain", str(video), "--poll"]
    place = ["--url", at.server.url, "--key-file", str(at.server.key_file), "--model", QUICK]
    quick = [*command, *place, "--method", "gradient", "--json", "--no-map"]
    done = subprocess.run(quick, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == QUICK
    before = len(at.journal())
    slow = [*command, *place, "--method", "occlusion", "-p", "stride=1"]
    process = subprocess.Popen(
        slow,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Shells start background jobs with SIGINT ignored, and the tests with them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert eventually(lambda: at.level("running") == 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert eventually(lambda: len(at.journal()) > before)
    assert at.journal()[before]["status"] == 499


def test_a_job_may_be_asked_for_at_any_model_of_the_process(at: Api) -> None:
    job = begun(at, {}).rpartition("/")[2]
    other = Api(at.server, ANOTHER)
    state = other.predict(json={"job_state": job})
    assert (state.status_code, state.json()["model"]) == (200, QUICK)
