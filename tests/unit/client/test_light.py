"""The base install, without arrays, pictures, videos and torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests import light
from tests.unit.client.fake_server import FakeServer, Received, Reply, answer
from tests.unit.client.test_job import ACCEPTED, DONE, MAP, PARTIAL, RESULT, RICH_STEP
from tests.unit.clips.makers import encode

from videovisual.protocol import Answer
from videovisual.protocol.npz import to_npz
from videovisual.saliency import Saliency
from videovisual.utils.extras import install_command
from videovisual_client.cli import main

PICTURES = f"Arrays and pictures need numpy and Pillow: {install_command('pictures')}."
VIDEO = f"Videos need PyAV: {install_command('video')}. Without it, ask for npz or json,"
DRAWN = ("png", "gif", "mp4", "html")

SCRIPT = """
import asyncio, json, pickle, sys
from videovisual_client import AsyncClient, Cancelled, Client, MissingExtra, Partial, Progress

url, clip = sys.argv[1:]

def refused(what):
    try:
        what()
    except MissingExtra as error:
        return error.message
    raise AssertionError("not refused")

def check(result, events):
    assert result.predictions[0].label == "ironing"
    assert [type(event) for event in events] == [Progress, Partial]
    assert pickle.loads(pickle.dumps(result)) == result
    result.save("answer.json")
    result.save("map.npz")
    wanting = [
        lambda: result.saliency,
        lambda: events[1].map,
        lambda: result.explanations[0].map.to_numpy(),
        result.source,
        result.source_frames,
        result.panels,
        *(lambda suffix=suffix: result.save(f"a.{suffix}") for suffix in ("png", "gif", "html")),
    ]
    return {refused(what).partition(" Without")[0] for what in wanting}

async def main():
    events = []
    async with AsyncClient(url, token="") as client:
        await client.classify(clip, model="m")
        callbacks = {"on_progress": events.append, "on_partial": events.append}
        result = await client.explain(clip, model="m", **callbacks)
        job = await client.submit(clip, model="m")
        await job.cancel()
    return check(result, events)

events = []
with Client(url, token="") as client:
    client.classify(clip, model="m")
    callbacks = {"on_progress": events.append, "on_partial": events.append}
    result = client.explain(clip, model="m", **callbacks)
    (other,) = client.explain_many([clip], model="m")
    assert other.answer == result.answer
    client.submit(clip, model="m").cancel()
print(json.dumps(sorted(check(result, events) | asyncio.run(main()))))
"""


def handler(request: Received) -> Reply:
    if b'{"cancel"' in request.body:
        return Reply({"cancelled": True})
    if not request.field("stream"):
        return Reply(RESULT["answer"])
    partial = [PARTIAL] if request.field("partial_every_s") else []
    return Reply(lines=iter([ACCEPTED, RICH_STEP, *partial, RESULT, DONE]))


@pytest.fixture
def fake(fake: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """A server for commands that run in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDEOVISUAL_URL", fake.url)
    monkeypatch.setenv("VIDEOVISUAL_TOKEN", "")
    monkeypatch.setenv("COLUMNS", "300")
    fake.handler = handler
    return fake


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A real video file whose name doesn't say so, in a folder of clips."""
    path = tmp_path / "clips" / "clip.avi"
    path.parent.mkdir()
    path.write_bytes(encode())
    return path


@pytest.mark.parametrize(
    "code", ["import videovisual_client", "import videovisual_client.cli", "import videovisual"]
)
def test_nothing_else_is_imported(code: str) -> None:
    light.python(code)


def test_every_command_has_its_help() -> None:
    for done in light.videovisual(["--help"], *([name, "--help"] for name in main.commands)):
        assert done.status == 0, done.error
        assert "Usage" in done.stdout


def test_both_clients_send_save_and_refuse_arrays(fake: FakeServer, folder: Path) -> None:
    assert json.loads(light.python(SCRIPT, fake.url, str(folder))) == [PICTURES]
    saved = Saliency.from_npz(Path("map.npz").read_bytes())
    np.testing.assert_array_equal(saved.map, MAP)
    assert json.loads(Path("answer.json").read_text())["model"] == "i3d-motion"


def test_commands_send_and_print(fake: FakeServer, folder: Path) -> None:
    commands = [
        ["classify"],
        ["explain", "-o", "map.npz", "-o", "answer.json"],
        ["evaluate"],
        ["bench", "--requests", "2", "--warm-up", "0", "--method", "gradient"],
    ]
    lines = [[*words, str(folder), "--model", "m"] for words in commands]
    for done in light.videovisual(*lines):
        assert done.status == 0, done.error
        assert done.stdout
    for done in light.videovisual(*([*words, "--json"] for words in lines)):
        assert done.status == 0, done.error
        assert json.loads(done.stdout)
    assert Path("map.npz").read_bytes() == to_npz(answer())
    assert Answer.model_validate_json(Path("answer.json").read_text()) == answer()


def test_a_folder_of_clips(fake: FakeServer, folder: Path) -> None:
    (done,) = light.videovisual(["explain", str(folder.parent), "--model", "m", "--json"])
    assert done.status == 0, done.error
    assert json.loads(done.stdout)["clips"] == 1
    assert Path("results/gradient/m/frames.npz").is_file()


def test_pictures_are_refused_before_any_request(fake: FakeServer, folder: Path) -> None:
    clip, clips = str(folder), str(folder.parent)
    (film,) = light.videovisual(["explain", clip, "--model", "m", "-o", "overlay.mp4"])
    assert film.stderr.startswith(f"missing_extra: {VIDEO.partition(' Without')[0]}")
    for done in light.videovisual(
        ["explain", clip, "--model", "m", "-o", "strip.png"],
        ["explain", clips, "--model", "m", "--format", "html"],
        ["compare", clip, "--model", "m"],
        ["compare", clip, "--model", "m", "-o", "numbers.json"],
        ["compare", clips, "--model", "m"],
    ):
        assert done.status == 1, done.error
        assert done.stderr.startswith(f"missing_extra: {PICTURES}")
    assert fake.received == []


def test_pictures_over_a_video_are_refused_before_any_request(
    fake: FakeServer, video: Path
) -> None:
    clip, clips = str(video), str(video.parent)
    for done in light.videovisual(
        *(["explain", clip, "--model", "m", "-o", f"a.{suffix}"] for suffix in DRAWN),
        ["explain", clips, "--model", "m", "--format", "png"],
        ["compare", clip, "--model", "m"],
        ["compare", clips, "--model", "m"],
        refused=light.BEYOND_PICTURES,
    ):
        assert done.status == 1, done.error
        assert done.stderr.startswith(f"missing_extra: {VIDEO}")
    assert fake.received == []


def test_without_pyav_a_video_gives_numbers_and_frames_give_pictures(
    fake: FakeServer, video: Path, folder: Path
) -> None:
    commands = {"numbers.json": "explain", "map.npz": "explain", "overlap.json": "compare"}
    for done in light.videovisual(
        *([command, str(video), "--model", "m", "-o", name] for name, command in commands.items()),
        ["explain", str(folder), "--model", "m", "-o", "strip.png"],
        refused=light.BEYOND_PICTURES,
    ):
        assert done.status == 0, done.error
    assert {path.name for path in Path().iterdir() if path.is_file()} == {*commands, "strip.png"}


def test_other_commands_name_their_extra(fake: FakeServer) -> None:
    extras = {
        ("classify", ".", "--model", "i3d-motion", "--local"): "server",
        ("serve", "i3d-motion"): "server",
        ("archive", "i3d-motion"): "server",
        ("archive", "--list"): "server",
        ("train-motion", "r3d-motion"): "server",
        ("ui",): "ui",
        ("bulk", ".", "--model", "i3d-motion", "--out", "out"): "bulk",
    }
    for done, extra in zip(light.videovisual(*extras), extras.values(), strict=True):
        assert done.status == 1
        assert install_command(extra) in done.stderr


def test_models_and_doctor(fake: FakeServer) -> None:
    fake.reply_with(Reply({"status": "Healthy"}))
    models, doctor = light.videovisual(["models", "--json"], ["doctor", "--json"])
    assert "i3d-motion" in [model["name"] for model in json.loads(models.stdout)]
    found = {finding["name"]: finding for finding in json.loads(doctor.stdout)}
    assert found["server"]["level"] == "ok"
    assert "light client" in found["torch"]["found"]


@pytest.mark.parametrize("name", ["motion", "Saliency", "load", "explain", "classify"])
def test_the_library_names_its_extra(name: str) -> None:
    code = f"import videovisual\ntry: videovisual.{name}\nexcept Exception as error: print(error)"
    stdout = light.python(code)
    assert install_command("server") in stdout or install_command("pictures") in stdout
