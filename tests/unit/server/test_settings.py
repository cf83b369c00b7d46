"""Settings of a service: their file, and what they change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.server.requests import ask, npz, wait

from videovisual.errors import InvalidParameter
from videovisual.server.request import Request
from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier


def test_settings_come_from_the_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    monkeypatch.setenv("VIDEOVISUAL_SETTINGS", str(file))
    file.write_text('{"max_running": 5, "limits": {"max_frames": 7}}')
    settings = Settings.from_environment()
    assert (settings.max_running, settings.limits.max_frames) == (5, 7)
    file.write_text('{"max_runing": 5}')
    with pytest.raises(InvalidParameter, match=r"settings\.json.*max_running"):
        Settings.from_environment()
    for wrong, named in (
        ('{"max_running": 0}', "max_running = 0"),
        ('{"step_s": "soon"}', "step_s = 'soon'"),
        ('{"limits": {"max_frame": 7}}', r"limits\.max_frame = 7"),
        ('{"limits": 7}', "limits = 7"),
        ("[]", "can't be used"),
        ("{", "can't be used"),
    ):
        file.write_text(wrong)
        with pytest.raises(InvalidParameter, match=named):
            Settings.from_environment()
    file.write_text('{"precision": "float8"}')
    with pytest.raises(InvalidParameter, match=r"precision = 'float8'.*bfloat16"):
        Settings.from_environment()


def test_the_operators_precision_is_that_of_searches(small: Classifier) -> None:
    settings = Settings(precision="bfloat16", max_reply_bytes=2**24, idle=False)
    service = Service(small, settings=settings)
    try:
        for given, taken in (({}, "bfloat16"), ({"precision": b"float32"}, "float32")):
            reply = ask(service, method=b"ep_3d", iterations=b"2", **given)
            assert reply.status == 200, reply.body
            (explained,) = json.loads(reply.body)["explanations"]
            assert explained["provenance"]["precision"] == taken
    finally:
        service.close()


def test_with_threads_set_an_answer_is_the_same_bytes_among_others(small: Classifier) -> None:
    service = Service(small, settings=Settings(threads=1))
    asked = [
        {"method": b"integrated_gradients", "steps": b"3"},
        {"method": b"step", "iterations": b"3"},
        {"method": b"rise", "masks": b"6"},
    ]
    try:
        alone = [ask(service, **parts).body for parts in asked]
        states = [service.submit(Request({"video": npz(), **parts})) for parts in asked * 2]
        among_others = [wait(service, state).body for state in states]
    finally:
        service.close()
    assert among_others == alone * 2
