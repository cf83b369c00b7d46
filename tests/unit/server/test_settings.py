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


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"max_running": "8"}', "max_running = '8'.* from 1 to 1000"),
        ('{"idle": "false"}', "idle = 'false'"),
        ('{"idle": 0}', "idle = 0"),
        ('{"lanes": 0}', "lanes = 0.* from 1 to 256"),
        ('{"lanes": true}', "lanes = True"),
        ('{"decoders": 0}', "decoders = 0.* from 1 to 256"),
        ('{"decoders": 2.5}', r"decoders = 2\.5"),
        ('{"step_s": -1}', "step_s = -1.* from 0 to 60"),
        ('{"step_s": NaN}', "step_s = nan"),
        ('{"step_s": Infinity}', "step_s = inf"),
        ('{"step_s": 1e400}', "step_s = inf"),
        ('{"threads": "2"}', "threads = '2'.* from 1 to 1024"),
        ('{"batch": 0}', "batch = 0.* from 1 to 4096"),
        ('{"max_running": null}', "max_running = None"),
        ('{"max_waiting": 1e99}', "max_waiting = 1e"),
        ('{"max_bytes": 99999999999999999999}', "max_bytes = 9"),
        ('{"max_reply_bytes": 2147483648}', "max_reply_bytes = 2147483648"),
        ('{"retry_after_s": -1}', "retry_after_s = -1.* from 0 to 3600"),
        ('{"limits": {"max_frames": "7"}}', r"limits\.max_frames = '7'.* from 1 to"),
        ('{"limits": {"max_frames": 0}}', r"limits\.max_frames = 0.* from 1 to"),
        ('{"limits": {"max_seconds": -1}}', r"limits\.max_seconds = -1"),
        ('{"limits": {"max_seconds": NaN}}', r"limits\.max_seconds = nan"),
        ('{"limits": {"max_decoded_bytes": 1.5}}', r"limits\.max_decoded_bytes = 1\.5"),
        ('{"limits": null}', "limits = None"),
        ('{"max_running": 1, "max_running": 2}', "max_running is given twice"),
        ('{"precision": 16}', "precision = 16"),
        ('{"%s": 1}' % ("x" * 100_000), "xxx…xxx"),
        ("[" * 100_000, "can't be used"),
    ],
)
def test_a_setting_of_another_type_or_out_of_range_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, named: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    monkeypatch.setenv("VIDEOVISUAL_SETTINGS", str(file))
    with pytest.raises(InvalidParameter, match=named) as raised:
        Settings.from_environment()
    assert len(raised.value.message) < 800
