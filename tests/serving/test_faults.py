"""TorchServe's traps: a dead worker, answers over its limit, headers, descriptions."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.serving import clips
from tests.serving.api import TIMEOUT_S, Api, eventually
from tests.serving.conftest import QUICK

from videovisual_client.torchserve import CONFIG, Server

GOOD = {"video": clips.npz(clips.frames(16))}
LONG = {"method": "rise", "masks": "20000"}


def test_a_dead_worker_costs_only_what_was_under_way(api: Api) -> None:
    right = api.predict(files=GOOD).content
    outcomes: list[str] = []

    def ask(fields: dict[str, str]) -> None:
        try:
            if "stream" in fields:
                last = [event["event"] for event in api.events(files=GOOD, data=fields)][-1:]
                outcomes.append("result" if last == ["done"] else "broken off")
            else:
                outcomes.append(str(api.predict(files=GOOD, data=fields).status_code))
        except (httpx.HTTPError, ValueError):
            outcomes.append("broken off")

    asking = [
        threading.Thread(target=ask, args=(LONG | extra,))
        for extra in [{"stream": "true"}, {"timeout_s": "60"}] * 4
    ]
    for thread in asking:
        thread.start()
    assert eventually(lambda: api.level("running") == len(asking))
    (pid,) = api.workers()
    psutil.Process(pid).kill()
    for thread in asking:
        thread.join(TIMEOUT_S)
    assert len(outcomes) == len(asking)
    # 507 is what TorchServe says of a request that it could not hand to a worker.
    assert set(outcomes) <= {"broken off", "500", "507"}

    def is_back() -> bool:
        return api.server.is_ready(QUICK) and api.workers() != [pid]

    assert eventually(is_back)
    assert api.predict(files=GOOD).content == right
    assert api.predict(files=GOOD, data={"method": "gradient"}).status_code == 200


@pytest.fixture(scope="module")
def narrow(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server whose answers must be short."""
    folder = tmp_path_factory.mktemp("narrow")
    settings, config = folder / "settings.json", folder / "config.properties"
    settings.write_text(json.dumps({"max_reply_bytes": 300_000}))
    text = CONFIG.read_text("utf-8")
    config.write_text(text.replace("max_response_size=134217728", "max_response_size=9000000"))
    before = os.environ.get("VIDEOVISUAL_SETTINGS")
    os.environ["VIDEOVISUAL_SETTINGS"] = str(settings)
    try:
        with Server([QUICK], store=store, config=config) as server:
            yield Api(server, QUICK)
    finally:
        del os.environ["VIDEOVISUAL_SETTINGS"]
        if before is not None:
            os.environ["VIDEOVISUAL_SETTINGS"] = before


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_over_the_limit_is_refused_and_the_worker_lives(
    narrow: Api, *, stream: bool
) -> None:
    before = narrow.workers()
    fields: dict[str, Any] = {"method": "gradient", "target": '["1", "2", "3"]'}
    response = narrow.predict(files=GOOD, data=fields | ({"stream": "true"} if stream else {}))
    assert response.json()["error"]["code"] == "too_large"
    assert response.status_code == 413
    one = narrow.predict(files=GOOD, data={"method": "gradient", "output": "png"})
    assert one.status_code == 200
    assert narrow.workers() == before


def test_headers_are_strings(api: Api) -> None:
    """A number as a header would kill the worker; `Retry-After` is one: see `test_load`."""
    before = api.workers()
    response = api.predict(files=GOOD)
    assert response.headers["X-VideoVisual-Job"] == response.headers["x-request-id"]
    assert api.workers() == before


def test_only_the_operator_can_ask_for_a_description(api: Api) -> None:
    """`?customized=true` stops TorchServe 0.12 for this model; nobody but the operator may."""
    for line in CONFIG.read_text("utf-8").splitlines():
        if line.startswith("management_address"):
            assert "127.0.0.1" in line
    path = f"/models/{QUICK}?customized=true"
    for address in (api.server.management_url, api.server.url):
        for headers in ({}, api.headers):
            response = httpx.get(f"{address}{path}", headers=headers, timeout=TIMEOUT_S)
            assert response.status_code in {400, 404, 405}, (address, response.text)
    assert api.predict(files=GOOD).status_code == 200
