"""The command against a server on loopback: what is asked, printed, kept, and its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from tests.unit.client.server import Asked, Said, Stage, answer

from videovisual.attribution import catalogue
from videovisual.errors import MissingExtra
from videovisual_client import exchange
from videovisual_client.cli import main
from videovisual_client.commands.bench import summarise
from videovisual_client.commands.compare import overlap
from videovisual_client.events import Progress
from videovisual_client.terminal import _MethodClock

Run = Callable[..., Result]

DEADLINE_S = 60
LABELS = ("ironing", "Ironing", "juggling balls", "abseiling")


@pytest.fixture
def run(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(exchange, "FIRST_PAUSE_S", 0.001)

    def run(*arguments: str | Path) -> Result:
        place = [] if "--url" in arguments else ["--url", stage.url]
        return CliRunner().invoke(main, [*map(str, arguments), *place, "--token", ""])

    return run


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """The seed's layout: a folder of frames a clip, its label before the first dash."""
    root = tmp_path / "clips"
    for number, label in enumerate(LABELS):
        folder = root / f"{label}-v_{number}"
        folder.mkdir(parents=True)
        for index in range(2):
            Image.new("RGB", (8, 8), (number, index, 0)).save(folder / f"{index}.png")
    (root / ".hidden").mkdir()
    return root


def lines(**given: Any) -> Iterator[Any]:
    yield {"event": "accepted", "job": "j", "queue": 0}
    yield {"event": "result", "answer": answer(**given).model_dump(mode="json")}
    yield {"event": "done"}


def script(asked: Asked) -> Said:
    if asked.field("stream"):
        return Said(lines=lines(method=asked.field("method") or "grad_cam"))
    return Said(answer().model_dump(mode="json"))


def test_json_is_all_that_goes_to_standard_output(stage: Stage, run: Run, clips: Path) -> None:
    stage.script = script
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


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (Said({"error": {"code": "invalid_target", "message": "No."}}, 422), 1, "invalid_target"),
        (Said({"code": 400, "type": "InvalidKeyException"}, 400), 3, "authentication_failed"),
        (Said(b"<html>", 502), 3, "connection_failed"),
    ],
)
def test_exit_status_and_json_of_an_error(
    stage: Stage, run: Run, clips: Path, said: Said, status: int, code: str
) -> None:
    stage.play(said)
    done = run("classify", clips / "ironing-v_0", "--model", "m", "--json")
    assert done.exit_code == status
    assert json.loads(done.stdout)["error"]["code"] == code
    assert code in done.stderr
    assert run("classify", clips / "ironing-v_0", "--model", "m").stdout == ""


def test_wrong_usage_is_2_and_nothing_is_asked(stage: Stage, run: Run, clips: Path) -> None:
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
    assert stage.asked == []


def test_interrupted_is_130(
    stage: Stage, run: Run, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("videovisual_client.base_client.BaseClient.classify", interrupt)
    assert run("classify", clips / "ironing-v_0", "--model", "m").exit_code == 130


def test_a_folder_of_clips_is_reckoned_up(stage: Stage, run: Run, clips: Path) -> None:
    stage.script = script
    done = run("classify", clips, "--model", "m", "-o", "out")
    assert done.exit_code == 0, done.output
    summary = json.loads(Path("out/classification/m/summary.json").read_text())
    assert (summary["clips"], summary["failed"], summary["labelled"]) == (4, 0, 4)
    assert summary["accuracy"] == 0.5
    assert "accuracy 50.0%" in done.stdout
    table = Path("out/classification/m/summary.csv").read_text().splitlines()
    assert table[0].startswith("clip,label,predicted,probability,correct")
    assert [line.split(",")[0] for line in table[1:]] == [
        *("Ironing-v_1", "abseiling-v_3", "ironing-v_0", "juggling balls-v_2")
    ]


def test_a_stopped_run_is_taken_up_where_it_was(stage: Stage, run: Run, clips: Path) -> None:
    def breaks_at_the_third(asked: Asked) -> Said:
        return script(asked) if len(stage.asked) < 3 else Said(b"", 502)

    stage.script = breaks_at_the_third
    arguments = ["explain", clips, "--model", "m", "--method", "rise", "--concurrency", "1"]
    assert run(*arguments).exit_code == 3
    folder = Path("results/rise/m")
    finished = {path.name: path.stat().st_mtime_ns for path in folder.glob("*-v_*")}
    assert len(finished) == 4
    assert json.loads((folder / "summary.json").read_text())["clips"] == 2

    stage.asked.clear()
    stage.script = script
    done = run(*arguments)
    assert done.exit_code == 0
    assert len(stage.asked) == 2
    assert {name: (folder / name).stat().st_mtime_ns for name in finished} == finished
    with np.load(folder / "ironing-v_0.npz") as arrays:
        assert arrays["map"].shape == (2, 2, 2)

    stage.asked.clear()
    assert run(*arguments).exit_code == 0
    assert stage.asked == []
    (folder / "ironing-v_0.npz").unlink()
    run(*arguments)
    assert len(stage.asked) == 1
    run(*arguments, "-p", "masks=5")
    assert len(stage.asked) == 5
    run(*arguments, "-p", "masks=5", "--fresh")
    assert len(stage.asked) == 9


def await_files(folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not list(folder.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_cancels_what_runs_and_keeps_what_is_finished(
    stage: Stage, clips: Path, tmp_path: Path
) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    def hangs_at_the_second(asked: Asked) -> Said:
        if "json" in asked.headers["Content-Type"]:
            cancelled.set()
            return Said({"cancelled": True})
        return script(asked) if len(stage.asked) < 2 else Said(lines=hanging())

    def hanging() -> Iterator[Any]:
        yield {"event": "accepted", "job": "slow", "queue": 0}
        begun.set()
        cancelled.wait(DEADLINE_S)
        yield {"event": "error", "status": 499, "error": {"code": "cancelled", "message": "Yes."}}

    stage.script = hangs_at_the_second
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "videovisual_client", "explain", str(clips)),
            *("--model", "m", "--concurrency", "1", "--url", stage.url, "--token", ""),
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        # A shell has what it runs in the background ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        assert begun.wait(DEADLINE_S)
        # The second is asked for while the first is being written down.
        await_files(tmp_path / "results/grad_cam/m", "*.json")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
    finally:
        process.kill()
        _, told = process.communicate()
    assert cancelled.is_set()
    assert b"Traceback" not in told
    summary = json.loads((tmp_path / "results/grad_cam/m/summary.json").read_text())
    assert (summary["clips"], summary["failed"]) == (1, 0)


def test_a_bad_clip_costs_itself_alone_and_is_tried_again(
    stage: Stage, run: Run, clips: Path
) -> None:
    broken = {"error": {"code": "malformed_clip", "message": "Broken [/] frame."}}

    def refuses_one(asked: Asked) -> Said:
        return Said(broken, 400) if len(stage.asked) == 2 else script(asked)

    stage.script = refuses_one
    done = run("classify", clips, "--model", "m", "--concurrency", "1")
    assert done.exit_code == 4
    assert "malformed_clip: Broken [/] frame." in done.stdout
    summary = json.loads(Path("results/classification/m/summary.json").read_text())
    assert (summary["clips"], summary["failed"]) == (4, 1)
    stage.asked.clear()
    stage.script = script
    assert run("classify", clips, "--model", "m").exit_code == 0
    assert len(stage.asked) == 1


def test_each_method_gets_the_parameters_that_it_knows(stage: Stage, run: Run, clips: Path) -> None:
    stage.script = script
    methods = ["--method", "grad_cam", "--method", "ig"]
    assert run("explain", clips, "--model", "m", *methods, "--steps", "3").exit_code == 0
    told = {asked.field("method"): asked.field("steps") for asked in stage.asked}
    assert told == {"grad_cam": None, "integrated_gradients": "3"}
    assert Path("results/grad_cam/m/summary.csv").is_file()
    assert Path("results/integrated_gradients/m/summary.csv").is_file()
    stage.asked.clear()
    done = run("explain", clips, "--model", "m", *methods, "-p", "masks=3")
    assert done.exit_code == 1
    assert "'masks'" in done.stderr
    assert stage.asked == []


def test_parameters_in_either_spelling(stage: Stage, run: Run, clips: Path) -> None:
    stage.script = script
    for spelling in (["-p", "area=0.2"], ["--area", "0.2"]):
        clip = clips / "ironing-v_0"
        assert run("explain", clip, "--model", "m", "--method", "step", *spelling).exit_code == 0
        assert stage.asked[-1].field("area") == "0.2"


def test_compare_makes_one_picture(stage: Stage, run: Run, clips: Path) -> None:
    both = answer()
    second = both.explanations[0].model_copy(update={"method": "rise"})
    both.explanations.append(second)
    told = [{"event": "accepted"}, {"event": "result", "answer": both.model_dump(mode="json")}]
    stage.script = lambda _: Said(lines=iter(told))
    clip = clips / "ironing-v_0"
    done = run("compare", clip, "--model", "m", "--methods", "gradient, rise")
    assert done.exit_code == 0, done.output
    assert stage.asked[0].field("method") == '["gradient", "rise"]'
    assert Image.open("compare.png").size[0] > 8
    assert "100%" in done.stdout
    done = run("compare", clip, "--model", "m", "--methods", "gradient,rise", "--json")
    assert json.loads(done.stdout)["overlap"] == [[1.0, 1.0], [1.0, 1.0]]


def maps_of(asked: Asked) -> Said:
    """An explanation of each method that is asked for, in that order."""
    named = asked.field("method") or ""
    methods = json.loads(named) if named.startswith("[") else [named]
    told = answer()
    told.explanations = [
        told.explanations[0].model_copy(update={"method": method}) for method in methods
    ]
    whole = {"event": "result", "answer": told.model_dump(mode="json")}
    return Said(lines=iter([{"event": "accepted"}, whole]))


def asked_methods(stage: Stage) -> list[str | None]:
    return [asked.field("method") for asked in stage.asked]


def test_many_methods_are_asked_for_in_answers_that_a_server_can_send(
    stage: Stage, run: Run, clips: Path
) -> None:
    stage.script = maps_of
    compared = ["compare", clips / "ironing-v_0", "--model", "m", "--json"]
    names = "gradient,guided_backprop,rise,ig,step,ep_3d,grad_cam"
    done = run(*compared, "--methods", names, "-p", "masks=3")
    assert done.exit_code == 0, done.output
    assert asked_methods(stage) == [
        "guided_backprop",
        '["gradient", "rise", "integrated_gradients", "step"]',
        '["ep_3d", "grad_cam"]',
    ]
    assert [asked.field("masks") for asked in stage.asked] == [None, "3", None]
    told = [each["method"] for each in json.loads(done.stdout)["explanations"]]
    assert told == names.replace("ig", "integrated_gradients").split(",")
    stage.asked.clear()
    targets = ["--target", "a", "--target", "b"]
    assert run(*compared, "--methods", "gradient,rise,step", *targets).exit_code == 0
    assert asked_methods(stage) == ['["gradient", "rise"]', "step"]


def test_a_wrong_parameter_of_the_last_method_is_found_before_the_first_is_asked_for(
    stage: Stage, run: Run, clips: Path
) -> None:
    clip = clips / "ironing-v_0"
    names = "gradient,ig,smooth_grad,grad_cam,step"
    done = run("compare", clip, "--model", "m", "--methods", names, "--area", "7")
    assert done.exit_code == 1
    assert "area" in done.stderr
    assert stage.asked == []


@pytest.mark.parametrize("of_a_folder", [False, True])
def test_compare_takes_all_methods_that_are_there(
    stage: Stage, run: Run, clips: Path, of_a_folder: bool
) -> None:
    def without_torchray(asked: Asked) -> Said:
        method = asked.field("method") or ""
        if not method.startswith("[") and catalogue.find(method).extra:
            return Said(MissingExtra(f"{method} is TorchRay's.").as_json(), 501)
        return maps_of(asked)

    stage.script = without_torchray
    clip = clips if of_a_folder else clips / "ironing-v_0"
    arguments = ["compare", clip, "--model", "m"]
    done = run(*arguments, "--methods", "all", "--json")
    assert done.exit_code == 0, done.output
    for entry in catalogue.ENTRIES:
        assert (f"left out: {entry.name} is" in done.stderr) == (entry.extra is not None)
    if not of_a_folder:
        told = [each["method"] for each in json.loads(done.stdout)["explanations"]]
        assert told == [entry.name for entry in catalogue.ENTRIES if entry.extra is None]
        assert run(*arguments, "--methods", "gradient,deconvnet").exit_code == 1
        stage.script = lambda _: Said(MissingExtra("No PyAV.").as_json(), 501)
        assert "No PyAV." in run(*arguments, "--methods", "all").stderr


def test_overlap_is_of_the_strongest_tenth() -> None:
    one = answer().explanations[0]
    values = np.zeros((1, 10, 10), np.float32)
    values[0, 0] = 1
    half = np.zeros_like(values)
    half[0, 0, :5] = half[0, 5, :5] = 2
    maps = [
        one.model_copy(update={"map": type(one.map).of(array)}) for array in (values, half, -half)
    ]
    shared = overlap(maps)
    assert shared[0][1] == shared[1][0] == 0.5
    assert shared[1][2] == 0


def test_bench_reckons_quantiles() -> None:
    timing = summarise("classify", [0.01 * step for step in range(101)], 50.5)
    assert (round(timing.p50_s, 6), round(timing.p95_s, 6), timing.most_s) == (0.5, 0.95, 1.0)
    assert timing.per_s == 2.0


def test_what_is_left_is_the_servers_word_or_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0, 20.0, 20.0, 25.0])
    monkeypatch.setattr("videovisual_client.terminal.time.monotonic", lambda: next(now))
    clock = _MethodClock()
    # Asked twice where a method begins: once for its start, once for now.
    assert clock.left(Progress(1, 10, eta_s=61.4, method=None)) == "1:01 left"
    assert clock.left(Progress(5, 10)) == "0:10 left"
    assert clock.left(Progress(0, 4, method="rise")) == ""
    assert clock.left(Progress(0, 4, method="rise")) == ""


def test_every_command_has_an_example() -> None:
    for name, command in main.commands.items():
        assert f"videovisual {name}" in (command.help or ""), name


@pytest.mark.parametrize("name", ["classify", "explain", "compare", "evaluate", "bench"])
def test_the_askers_tell_their_exit_statuses(name: str) -> None:
    assert "130 interrupted" in CliRunner().invoke(main, [name, "--help"]).output


def test_json_is_everywhere() -> None:
    for name, command in main.commands.items():
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
    script = "from videovisual_client.cli import main; main(prog_name='videovisual')"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["plain,i3d-kinetics400", "plain,i3d-motion"]


def test_without_a_model_nothing_is_shown() -> None:
    assert isinstance(main, click.Group)
    assert CliRunner().invoke(main, ["serve"]).exit_code == 2
