"""The viewer's application with a real model, and the requests that it refuses."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videovisual import motion
from videovisual.attribution import catalogue

pytest.importorskip("starlette", reason="needs the extra `ui`")

from starlette.testclient import TestClient

from videovisual_client.local import Local
from videovisual_client.viewer import app
from videovisual_client.viewer.app import Offer
from videovisual_client.viewer.history import History
from videovisual_client.viewer.session import Session
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


@contextmanager
def viewer(
    local: Local, folder: Path, problem: str = "", max_bytes: int = 2**30
) -> Iterator[TestClient]:
    offer = Offer([MODEL], "this computer", lambda: problem)
    with Session(local, History(folder, max_bytes), folder.parent / "results") as session:
        built = app.build(session, offer, [HOST])
        with TestClient(built, base_url=f"http://{HOST}") as client:
            yield client


@pytest.fixture
def page(local: Local, tmp_path: Path) -> Iterator[TestClient]:
    with viewer(local, tmp_path / "kept") as client:
        yield client


def clip() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, frames=motion.sample(3).frames, fps=8.0)
    return buffer.getvalue()


def upload(page: TestClient, name: str = "clip.npz") -> str:
    answer = page.post("/api/clips", params={"name": name}, content=clip(), headers=OWN)
    key: str = answer.json()["id"]
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
    assert all_events[-1]["event"] == "done"
    facts = all_events[-1]["result"]
    assert (facts["id"], facts["name"], facts["target"]["label"]) == (task, "clip.npz", "grows")
    steps = [event["step"] for event in all_events if event["event"] == "progress"]
    assert steps
    assert steps == sorted(steps)
    assert events(page, task) == all_events
    report = page.get(f"/api/results/{task}/data").json()
    assert report["maps"][0]["target"]["label"] == "grows"
    assert report["maps"][0]["provenance"]["parameters"]["steps"] == 3
    assert (report["name"], len(report["film"]["shots"])) == ("clip.npz", 16)
    saved = page.get(f"/api/results/{task}/files/npz")
    assert "tsm-motion-integrated_gradients.npz" in saved.headers["content-disposition"]
    with np.load(io.BytesIO(saved.content)) as arrays:
        assert arrays["map"].shape == (8, 64, 64)
    saved_page = page.get(f"/api/results/{task}/files/html").text
    assert saved_page.startswith("<!doctype html>")
    assert "clip.npz</title>" in saved_page


def test_cancelling_ends_a_long_task_at_once(page: TestClient) -> None:
    task = ask(page, method="rise", options={"masks": 20000})
    assert page.delete(f"/api/tasks/{task}", headers=OWN).json() == {"cancelled": True}
    assert events(page, task)[-1]["error"]["code"] == "cancelled"
    assert page.get(f"/api/results/{task}/data").status_code == 400
    assert page.get("/api/results").json()["results"] == []
    assert events(page, ask(page))[-1]["event"] == "done"


def test_cancelling_stops_the_job(local: Local, tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    path.write_bytes(clip())
    request = {"model": MODEL, "method": "rise", "target": "top1", "masks": 20000}
    task = Task(local, path, request, lambda _: pytest.fail("kept a cancelled result"))
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
    monkeypatch.setattr("videovisual_client.viewer.uploads.MAX_BYTES", 1000)
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
    for path in (
        "/",
        "/assets/viewer.js",
        "/assets/keys.js",
        "/assets/report.css",
        "/api/about",
        "/nowhere",
    ):
        answer = page.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert page.get("/assets/..%2fviewer.html").status_code == 404


@pytest.mark.parametrize("key", ["..", "../kept", "0" * 15, "G" * 16, "%2e%2e"])
def test_ids_are_never_paths(page: TestClient, key: str) -> None:
    assert page.delete(f"/api/results/{key}", headers=OWN).status_code in (400, 404, 405)
    assert page.get(f"/api/clips/{key}/picture").status_code in (400, 404)
    upload(page, "../../evil.npz")
    assert page.get("/api/results").status_code == 200


def test_results_survive_a_restart(local: Local, tmp_path: Path) -> None:
    with viewer(local, tmp_path / "kept") as page:
        task = ask(page)
        assert events(page, task)[-1]["event"] == "done"
        before = page.get(f"/api/results/{task}/data").json()
    with viewer(local, tmp_path / "kept") as page:
        (facts,) = page.get("/api/results").json()["results"]
        assert facts["id"] == task
        assert facts["best"]["probability"] > 0.5
        assert page.get(f"/api/results/{task}/data").json() == before
        assert page.get(f"/api/results/{task}/picture").content.startswith(b"\xff\xd8")
        again = ask(page, clip=facts["clip"], method="gradient_x_input")
        result = events(page, again)[-1]["result"]
        assert 0 < result["agreement"][task] < 1
        assert page.delete(f"/api/results/{task}", headers=OWN).status_code == 200
        assert [each["id"] for each in page.get("/api/results").json()["results"]] == [again]
        assert page.delete("/api/results", headers=OWN).status_code == 200
        assert page.get("/api/results").json()["bytes"] == 0
        assert list((tmp_path / "kept").iterdir()) == []


def test_a_clip_goes_with_its_last_result(page: TestClient) -> None:
    task = ask(page)
    clip = events(page, task)[-1]["result"]["clip"]
    assert page.get(f"/api/clips/{clip}/picture").status_code == 200
    page.delete(f"/api/results/{task}", headers=OWN)
    assert page.get(f"/api/clips/{clip}/picture").status_code == 404
    body = {"clip": clip, "model": MODEL, "method": "gradient"}
    assert page.post("/api/tasks", json=body, headers=OWN).status_code == 400


def test_the_oldest_go_above_the_limit(tmp_path: Path) -> None:
    history = History(tmp_path / "kept", 2500)
    keys = []
    for _ in range(3):
        keys.append(history.new())
        history.content(keys[-1]).write_bytes(b"x" * 1000)
        history.add(keys[-1], "clip", "c")
    assert [facts["id"] for facts in history.entries("clip")] == [keys[2], keys[1]]
    # A result makes its clip the newest, and its size counts.
    history.add_result(keys[1], "0" * 16, {"answer": b"x" * 500}, {"name": "c"})
    assert [facts["id"] for facts in history.entries("clip")] == [keys[1]]
    assert [facts["id"] for facts in History(tmp_path / "kept", 2500).results()] == ["0" * 16]


def test_kept_files_are_readable_by_their_user_only(tmp_path: Path) -> None:
    history = History(tmp_path / "kept", 2500)
    assert history.folder.stat().st_mode & 0o077 == 0


def test_reports_are_found_opened_and_cannot_run_scripts(page: TestClient, tmp_path: Path) -> None:
    written = tmp_path / "results" / "diff" / "old..new" / "diff.html"
    written.parent.mkdir(parents=True)
    written.write_text("<!doctype html><p>flips</p>")
    added = page.post("/api/reports", params={"name": "a.html"}, content=b"<p>x", headers=OWN)
    found = {each["name"]: each["id"] for each in page.get("/api/results").json()["reports"]}
    assert found == {"diff old..new": found["diff old..new"], "a.html": added.json()["id"]}
    for name, text in (("diff old..new", "flips"), ("a.html", "<p>x")):
        shown = page.get(f"/api/reports/{found[name]}")
        assert text in shown.text
        policy = shown.headers["content-security-policy"]
        assert policy.startswith("sandbox; default-src 'none'")
        assert "script" not in policy
    page.delete(f"/api/results/{found['a.html']}", headers=OWN)
    assert page.get(f"/api/reports/{found['a.html']}").status_code == 400


def test_a_sample_is_ready_to_be_explained(page: TestClient) -> None:
    sample = page.post("/api/sample", headers=OWN).json()
    assert sample["about"] == "npz, 64 × 64, 2.00 s, 16 frames"
    assert page.get(f"/api/clips/{sample['id']}/picture").content.startswith(b"\xff\xd8")
    result = events(page, ask(page, clip=sample["id"]))[-1]["result"]
    assert result["best"]["label"] == "moves down"
    assert result["best"]["probability"] > 0.5


def test_what_is_no_clip_is_told_at_once_and_not_kept(page: TestClient, tmp_path: Path) -> None:
    answer = page.post("/api/clips", content=b"not a video", headers=OWN)
    assert answer.json()["error"]["code"] == "unsupported_media"
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_search_shows_its_map_so_far(page: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videovisual_client.viewer.task.PARTIAL_EVERY_S", 0.2)
    task = ask(page, method="ep_3d", options={"iterations": 60})
    partial = [event for event in events(page, task) if event["event"] == "partial"]
    assert partial
    assert partial[0]["picture"].startswith("data:image/png;base64,")


def test_only_installed_methods_are_offered(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names() -> set[str]:
        return {method["name"] for method in page.get("/api/about").json()["methods"]}

    installed = names()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torchray" else 1)
    assert {entry.name for entry in catalogue.ENTRIES if entry.extra is None} == names()
    assert names() < installed


def test_a_missing_server_is_told(local: Local, tmp_path: Path) -> None:
    with viewer(local, tmp_path / "kept", "none at 127.0.0.1:8080.") as page:
        assert page.get("/api/server").json() == {"problem": "none at 127.0.0.1:8080."}
