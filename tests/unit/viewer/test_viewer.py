"""The viewer's application with a real model, and the requests that it refuses."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videovisual import motion

pytest.importorskip("starlette", reason="needs the extra `ui`")

from starlette.testclient import TestClient

from videovisual_client.local import Local
from videovisual_client.viewer import session as sessions
from videovisual_client.viewer.app import build
from videovisual_client.viewer.session import Recent, Session
from videovisual_client.viewer.task import Task

HOST = "127.0.0.1:8765"
OWN = {"origin": f"http://{HOST}"}
MODEL = "tsm-motion"
DEADLINE_S = 20


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    with Local("cpu") as client:
        client.load(MODEL)
        yield client


@pytest.fixture
def page(local: Local) -> Iterator[TestClient]:
    with Session(local) as session:
        app = build(session, [MODEL], "this computer", [HOST])
        with TestClient(app, base_url=f"http://{HOST}") as client:
            yield client


def clip() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, frames=motion.sample(3).frames, fps=8.0)
    return buffer.getvalue()


def upload(page: TestClient, name: str = "clip.npz") -> str:
    answer = page.post("/api/clips", params={"name": name}, content=clip(), headers=OWN)
    key: str = answer.json()["clip"]
    return key


def ask(page: TestClient, **changed: Any) -> str:
    body = {"clip": upload(page), "model": MODEL, "method": "gradient", **changed}
    answer = page.post("/api/tasks", json=body, headers=OWN)
    assert answer.status_code == 200, answer.text
    task: str = answer.json()["task"]
    return task


def events(page: TestClient, task: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in page.get(f"/api/tasks/{task}/events").text.splitlines()]


def test_a_clip_is_explained_followed_and_kept(page: TestClient) -> None:
    task = ask(page, method="integrated_gradients", options={"steps": 3}, target="grows")
    all_events = events(page, task)
    assert all_events[0]["event"] == "accepted"
    assert all_events[-1] == {"event": "done"}
    steps = [event["step"] for event in all_events if event["event"] == "progress"]
    assert steps
    assert steps == sorted(steps)
    assert events(page, task) == all_events
    report = page.get(f"/api/tasks/{task}/report").json()
    assert report["maps"][0]["target"]["label"] == "grows"
    assert report["maps"][0]["provenance"]["parameters"]["steps"] == 3
    assert len(report["film"]["shots"]) == 16
    saved = page.get(f"/api/tasks/{task}/files/npz")
    assert "tsm-motion-integrated_gradients.npz" in saved.headers["content-disposition"]
    with np.load(io.BytesIO(saved.content)) as arrays:
        assert arrays["map"].shape == (8, 64, 64)
    assert page.get(f"/api/tasks/{task}/files/html").text.startswith("<!doctype html>")


def test_cancelling_ends_a_long_task_at_once(page: TestClient) -> None:
    task = ask(page, method="rise", options={"masks": 20000})
    assert page.delete(f"/api/tasks/{task}", headers=OWN).json() == {"cancelled": True}
    assert events(page, task)[-1]["error"]["code"] == "cancelled"
    assert page.get(f"/api/tasks/{task}/report").status_code == 400
    assert events(page, ask(page))[-1] == {"event": "done"}


def test_cancelling_stops_the_job(local: Local, tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    path.write_bytes(clip())
    task = Task(local, path, MODEL, "rise", "top1", {"masks": 20000})
    task.start()
    seen = 0
    while seen < 2:
        new, ended = task.events(seen, DEADLINE_S)
        assert new
        assert not ended, new
        seen += len(new)
    task.cancel()
    task._thread.join(DEADLINE_S)
    assert not task._thread.is_alive()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"method": "nonsense"}, "unknown_method"),
        ({"method": "integrated_gradients", "options": {"steps": 0}}, "invalid_parameter"),
        ({"clip": "0000"}, "invalid_request"),
        ({"options": "x"}, "invalid_request"),
    ],
)
def test_a_wrong_request_is_refused_before_it_is_sent(
    page: TestClient, changed: dict[str, Any], code: str
) -> None:
    body = {"clip": upload(page), "model": MODEL, "method": "gradient", **changed}
    answer = page.post("/api/tasks", json=body, headers=OWN)
    assert answer.status_code in (400, 404, 422)
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("changed", "says"), [({"model": "no-such-model"}, "no-such-model"), ({"target": "zzz"}, "zzz")]
)
def test_an_error_of_the_model_arrives_as_an_event(
    page: TestClient, changed: dict[str, Any], says: str
) -> None:
    last = events(page, ask(page, **changed))[-1]
    assert last["event"] == "error"
    assert says in last["error"]["message"]


def test_an_empty_and_a_too_large_file_are_refused(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page.post("/api/clips", content=b"", headers=OWN).status_code == 400
    monkeypatch.setattr("videovisual_client.viewer.app.MAX_BYTES", 1000)
    assert page.post("/api/clips", content=b"x" * 1001, headers=OWN).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:8765", **OWN},
        {"host": "127.0.0.1", **OWN},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {**OWN, "sec-fetch-site": "cross-site"},
        {**OWN, "sec-fetch-site": "same-site"},
        {},
    ],
)
def test_other_sites_can_change_nothing(page: TestClient, headers: dict[str, str]) -> None:
    answer = page.post("/api/clips", content=clip(), headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "invalid_request"


def test_other_sites_can_read_nothing(page: TestClient) -> None:
    assert page.get("/api/about").status_code == 200
    assert page.get("/", headers={"host": "rebound.example:8765"}).status_code == 403
    assert page.get("/api/about", headers={"origin": "http://evil.example"}).status_code == 403
    assert page.get("/api/about", headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_every_answer_carries_the_policy(page: TestClient) -> None:
    for path in ("/", "/assets/viewer.js", "/assets/report.css", "/api/about", "/nowhere"):
        answer = page.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert page.get("/assets/..%2fviewer.html").status_code == 404


def test_file_names_are_never_paths(page: TestClient, local: Local) -> None:
    with Session(local) as session:
        path = session.new_file()
        path.write_bytes(b"x")
        key = session.add_clip(path)
        assert key.isalnum()
        folder = path.parent
    assert not folder.exists()


def test_only_the_latest_clips_are_kept(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_CLIPS", 2)
    with Session(local) as session:
        paths = [session.new_file() for _ in range(3)]
        for path in paths:
            path.write_bytes(b"x")
            session.add_clip(path)
        assert [path.exists() for path in paths] == [False, True, True]


def test_ids_cannot_be_guessed() -> None:
    recent: Recent[int] = Recent("item", 100, print)
    assert len({recent.add(1) for _ in range(50)}) == 50
