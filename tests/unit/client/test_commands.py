"""The commands against a server on loopback: requests, output and exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import FakeServer, Reply, answer, explain_or_classify

from videovisual.attribution import catalogue
from videovisual_client.cli import main
from videovisual_client.commands.bench import summarise
from videovisual_client.commands.keys import keys
from videovisual_client.commands.options import complete_methods, complete_models
from videovisual_client.events import Progress
from videovisual_client.terminal import _MethodClock


def test_json_is_all_that_goes_to_standard_output(fake: FakeServer, run: Run, clips: Path) -> None:
    fake.handler = explain_or_classify
    clip = clips / "ironing-v_0"
    for arguments in (
        ["classify", clip, "--model", "m", "--json"],
        ["explain", clip, "--model", "m", "--json"],
        ["evaluate", clip, "--model", "m", "--json"],
        ["bench", clip, "--model", "m", "--requests", "2", "--warm-up", "0", "--json"],
        ["classify", clips, "--model", "m", "--json"],
        ["explain", clips, "--model", "m", "--json"],
    ):
        done = run(*arguments)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)


@pytest.mark.parametrize("command", ["explain", "compare", "evaluate"])
def test_the_maps_may_be_left_out_of_json(
    fake: FakeServer, run: Run, clips: Path, command: str
) -> None:
    fake.handler = explain_or_classify
    words = [command, clips / "ironing-v_0", "--model", "m", "--json"]
    words += ["-o", "p.png"] if command == "compare" else []
    whole, small = (json.loads(run(*words, *more).stdout) for more in ([], ["--no-map"]))
    for explanation in whole["explanations"]:
        assert explanation["map"].pop("base64")
    for explanation in small["explanations"]:
        assert explanation["map"].pop("base64") == ""
    assert small == whole


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (Reply({"error": {"code": "invalid_target", "message": "No."}}, 422), 1, "invalid_target"),
        (Reply({"code": 400, "type": "InvalidKeyException"}, 400), 3, "authentication_failed"),
        (Reply(b"<html>", 502), 3, "connection_failed"),
    ],
)
def test_exit_status_and_json_of_an_error(
    fake: FakeServer, run: Run, clips: Path, reply: Reply, status: int, code: str
) -> None:
    fake.reply_with(reply)
    done = run("classify", clips / "ironing-v_0", "--model", "m", "--json")
    assert done.exit_code == status
    assert json.loads(done.stdout)["error"]["code"] == code
    assert code in done.stderr
    assert run("classify", clips / "ironing-v_0", "--model", "m").stdout == ""


def test_wrong_usage_is_2_and_sends_nothing(fake: FakeServer, run: Run, clips: Path) -> None:
    clip = clips / "ironing-v_0"
    for arguments in (
        ["classify", clip],
        ["classify", "missing.mp4", "--model", "m"],
        ["explain", clip, "--model", "m", "-p", "steps"],
        ["explain", clip, "--model", "m", "-p", "steps=2", "--steps", "3"],
        ["explain", clip, "--model", "m", "--format", "png"],
        ["explain", clips, "--model", "m", "-o", "a.png"],
        ["classify", clip, "--model", "m", "--polarity", "negative"],
        ["bench", clip, "--model", "m", "--polarity", "negative"],
        ["bench", clip, "--model", "m", "--target", "ironing"],
    ):
        assert run(*arguments).exit_code == 2, arguments
    assert run("explain", clip, "--model", "m", "--method", "magic").exit_code == 1
    assert fake.received == []


def test_interrupted_is_130(
    fake: FakeServer, run: Run, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("videovisual_client.base_client.BaseClient.classify", interrupt)
    assert run("classify", clips / "ironing-v_0", "--model", "m").exit_code == 130


def test_what_the_system_refuses_is_one_line(
    fake: FakeServer, run: Run, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that no other line of the client expects has neither traceback nor `repr`."""

    def refuse(*_: Any, **__: Any) -> None:
        Path("gone").read_bytes()

    monkeypatch.setattr("videovisual_client.base_client.BaseClient.classify", refuse)
    done = run("classify", clips / "ironing-v_0", "--model", "m")
    assert done.exit_code == 1
    assert done.stderr == "system_error: gone: No such file or directory\n"


def test_classify_tells_the_caveats_of_the_clip(fake: FakeServer, run: Run, clips: Path) -> None:
    short = answer().model_copy(
        update={"clip": {"frame_indices": [0, 1], "looked_at_s": 0.64, "of_s": 10.0}}
    )
    fake.reply_with(Reply(short.model_dump(mode="json")))
    done = run("classify", clips / "ironing-v_0", "--model", "m")
    assert "caution! Looked at 0.64 of 10.0 s: " in done.stdout


def test_parameters_in_either_spelling(fake: FakeServer, run: Run, clips: Path) -> None:
    fake.handler = explain_or_classify
    for spelling in (["-p", "area=0.2"], ["--area", "0.2"]):
        clip = clips / "ironing-v_0"
        assert run("explain", clip, "--model", "m", "--method", "step", *spelling).exit_code == 0
        assert fake.received[-1].field("area") == "0.2"


def test_bench_quantiles() -> None:
    timing = summarise("classify", [0.01 * step for step in range(101)], 50.5)
    assert (round(timing.p50_s, 6), round(timing.p95_s, 6), timing.most_s) == (0.5, 0.95, 1.0)
    assert timing.per_s == 2.0


def test_the_time_left_is_the_servers_estimate_or_the_speed_so_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter([0.0, 10.0, 20.0, 20.0, 25.0])
    monkeypatch.setattr("videovisual_client.terminal.time.monotonic", lambda: next(now))
    clock = _MethodClock()
    # The clock is read twice when a method begins: for its start, and for now.
    assert clock.left(Progress(1, 10, eta_s=61.4, method=None)) == "1:01 left"
    assert clock.left(Progress(5, 10)) == "0:10 left"
    assert clock.left(Progress(0, 4, method="rise")) == ""
    assert clock.left(Progress(0, 4, method="rise")) == ""


def test_every_command_has_an_example() -> None:
    for name, command in main.commands.items():
        assert f"videovisual {name}" in (command.help or ""), name


@pytest.mark.parametrize("name", ["classify", "explain", "compare", "evaluate", "bench"])
def test_help_lists_the_exit_statuses(name: str) -> None:
    assert "130 interrupted" in CliRunner().invoke(main, [name, "--help"]).output


def test_json_is_everywhere() -> None:
    alone = {
        name: each for name, each in main.commands.items() if not isinstance(each, click.Group)
    }
    for name, command in (alone | keys.commands).items():
        flags = {flag for option in command.params for flag in option.opts}
        assert "--json" in flags or name in ("completion", "ui"), name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_VIDEOVISUAL_COMPLETE" in done.output


def test_models_and_methods_are_completed() -> None:
    words = "videovisual explain --model i3d-"
    environment = os.environ | {
        "_VIDEOVISUAL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": "3",
    }
    handler = "from videovisual_client.cli import main; main(prog_name='videovisual')"
    done = subprocess.run(
        [sys.executable, "-c", handler],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["plain,i3d-kinetics400", "plain,i3d-motion"]


def test_the_last_of_several_methods_is_completed() -> None:
    found = complete_methods(None, None, "gradient,int")
    assert [item.value for item in found] == ["gradient,integrated_gradients"]


def test_an_own_model_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gestures.mar").touch()
    monkeypatch.setenv("VIDEOVISUAL_STORE", str(tmp_path))
    assert [item.value for item in complete_models(None, None, "g")] == ["gestures"]


def test_the_methods_are_listed_with_what_they_need_and_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(main, ["methods"]).stdout
    listed = json.loads(CliRunner().invoke(main, ["methods", "--json"]).stdout)
    assert [each["name"] for each in listed] == [entry.name for entry in catalogue.ENTRIES]
    for entry, each in zip(catalogue.ENTRIES, listed, strict=True):
        assert entry.name in shown
        assert entry.default_cost in shown
        assert each["parameters"].keys() == entry.defaults.keys()
        assert all(f"{name}=" in shown for name in entry.defaults)
    assert f"{catalogue.DEFAULT} (default)" in shown


def test_the_help_of_method_names_them_all() -> None:
    for name in ("explain", "evaluate", "bench"):
        shown = CliRunner().invoke(main, [name, "--help"]).output
        words = shown.replace(",", " ").replace(";", " ").split()
        assert {entry.name for entry in catalogue.ENTRIES} <= set(words), name


def test_no_help_takes_a_model_of_motion_for_any_clip() -> None:
    texts = {name: command.help or "" for name, command in main.commands.items()}
    texts["videovisual"] = main.help or ""
    assert [name for name, text in texts.items() if "-motion" in text] == ["train-motion"]
    clips = [
        name
        for name, command in main.commands.items()
        if re.search(r"\bCLIP\b", command.help or "")
    ]
    assert set(clips) >= {"classify", "explain", "compare", "evaluate", "bench"}
    assert all("--model i3d-kinetics400" in texts[name] for name in clips)


def test_serve_needs_a_model() -> None:
    assert isinstance(main, click.Group)
    assert CliRunner().invoke(main, ["serve"]).exit_code == 2


@pytest.mark.parametrize("place", ["taken.png", "file/x.png", "/proc/x.png"])
def test_a_place_that_cannot_be_written_is_told_before_the_request(
    fake: FakeServer, run: Run, folder: Path, place: str
) -> None:
    Path("taken.png").mkdir()
    Path("file").touch()
    for command in (("explain",), ("compare", "--methods", "gradient")):
        done = run(command[0], folder, "--model", "m", *command[1:], "-o", place)
        assert done.exit_code == 1
        assert done.stderr.startswith("write_failed: ")
        assert len(done.stderr.splitlines()) == 1
    assert fake.received == []


@pytest.mark.parametrize("command", ["explain", "compare", "classify"])
def test_results_that_cannot_be_written_are_told_before_the_requests(
    fake: FakeServer, run: Run, clips: Path, command: str
) -> None:
    for name in ("gradient", "compare", "classification"):
        Path("results", name).parent.mkdir(exist_ok=True)
        Path("results", name).touch()
    options = {"explain": ["--method", "gradient"], "compare": ["--methods", "gradient"]}
    done = run(command, clips, "--model", "m", *options.get(command, []))
    assert done.exit_code == 1
    assert done.stderr.startswith("write_failed: ")
    assert fake.received == []
