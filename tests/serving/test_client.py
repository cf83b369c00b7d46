from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.serving import clips
from tests.serving.conftest import MODEL

from videovisual.engine.progress import Progress
from videovisual.errors import InvalidTarget, UnknownModel, UnknownOutput, UnsupportedMedia
from videovisual.saliency import Saliency
from videovisual_client import AuthenticationFailed, Client, ConnectionFailed
from videovisual_client.torchserve import Server


def test_classify_a_file(client: Client, video: Path) -> None:
    result = client.classify(video, model=MODEL, top_k=3)
    assert result.model == MODEL
    assert len(result.predictions) == 3


def test_a_folder_of_frames_and_an_array_are_the_same_clip(client: Client, tmp_path: Path) -> None:
    frames = clips.frames(16)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"{index}.png")
    folder = client.classify(tmp_path, model=MODEL)
    array = client.classify(frames, model=MODEL)
    assert folder.predictions == array.predictions


def test_explain_tells_its_progress_and_gives_the_same_as_without(
    client: Client, video: Path
) -> None:
    told: list[Progress] = []
    streamed = client.explain(
        video, model=MODEL, method="integrated_gradients", steps=2, on_progress=told.append
    )
    plain = client.explain(video, model=MODEL, method="integrated_gradients", steps=2)
    assert {progress.of for progress in told} == {2}
    assert streamed.answer == plain.answer
    assert streamed.saliency.map.dtype == np.float32
    assert streamed.saliency.map.shape == (16, 224, 224)


def test_results_are_saved_in_every_format(client: Client, video: Path, tmp_path: Path) -> None:
    result = client.explain(video, model=MODEL, method="gradient")
    for suffix in ("json", "npz", "png", "mp4"):
        path = result.save(tmp_path / "new" / f"result.{suffix}")
        assert path.stat().st_size > 1000
    saved = Saliency.from_npz((tmp_path / "new" / "result.npz").read_bytes())
    np.testing.assert_array_equal(saved.map, result.saliency.map)
    assert json.loads((tmp_path / "new" / "result.json").read_text())["model"] == MODEL
    with pytest.raises(UnknownOutput, match="json, npz, png, mp4"):
        result.save(tmp_path / "result.pdf")


def test_the_servers_errors_keep_their_classes(client: Client, video: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidTarget, match="no class 'nonsense'"):
        client.explain(video, model=MODEL, target="nonsense")
    with pytest.raises(InvalidTarget):
        client.explain(video, model=MODEL, target="nonsense", on_progress=print)
    text = tmp_path / "clip.mp4"
    text.write_text("no video " * 100)
    with pytest.raises(UnsupportedMedia):
        client.classify(text, model=MODEL)
    with pytest.raises(UnknownModel, match="no-such-model"):
        client.classify(video, model="no-such-model")


def test_a_wrong_token(server: Server, video: Path) -> None:
    with (
        Client(server.url, token="wrong") as client,
        pytest.raises(AuthenticationFailed, match="key_file"),
    ):
        client.classify(video, model=MODEL)


def test_no_server(video: Path) -> None:
    with (
        Client("http://127.0.0.1:9", token="") as client,
        pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:9 did not answer"),
    ):
        client.classify(video, model=MODEL)
