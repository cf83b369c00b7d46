from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from tests.serving import clips
from tests.serving.api import AnyServer
from tests.serving.conftest import BOTH, QUICK

from videovisual.errors import InvalidTarget, UnknownModel, UnknownOutput, UnsupportedMedia
from videovisual.saliency import Saliency
from videovisual_client import (
    AsyncClient,
    AuthenticationFailed,
    Cancelled,
    Client,
    ConnectionFailed,
    Explained,
    Partial,
    Progress,
)
from videovisual_client.torchserve import Server


@BOTH
def test_classify_a_file(client: Client, video: Path) -> None:
    result = client.classify(video, model=QUICK, top_k=3)
    assert result.model == QUICK
    assert len(result.predictions) == 3


@BOTH
def test_a_folder_of_frames_and_an_array_are_the_same_clip(client: Client, tmp_path: Path) -> None:
    frames = clips.frames(16)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"{index}.png")
    folder = client.classify(tmp_path, model=QUICK)
    array = client.classify(frames, model=QUICK)
    assert folder.predictions == array.predictions


@BOTH
def test_progress_does_not_change_the_answer(client: Client, video: Path) -> None:
    steps: list[Progress] = []
    streamed = client.explain(
        video, model=QUICK, method="integrated_gradients", steps=2, on_progress=steps.append
    )
    plain = client.explain(video, model=QUICK, method="integrated_gradients", steps=2)
    assert {progress.of for progress in steps} == {2}
    assert streamed.answer == plain.answer
    assert streamed.saliency.map.dtype == np.float32
    assert streamed.saliency.map.shape == (16, 64, 64)


def test_results_are_saved_in_every_format(client: Client, video: Path, tmp_path: Path) -> None:
    result = client.explain(video, model=QUICK, method="gradient")
    for suffix in ("json", "npz", "png", "mp4"):
        path = result.save(tmp_path / "new" / f"result.{suffix}")
        assert path.stat().st_size > 1000
    saved = Saliency.from_npz((tmp_path / "new" / "result.npz").read_bytes())
    np.testing.assert_array_equal(saved.map, result.saliency.map)
    assert json.loads((tmp_path / "new" / "result.json").read_text())["model"] == QUICK
    with pytest.raises(UnknownOutput, match="json, npz, png, pdf, svg, gif, mp4, html"):
        result.save(tmp_path / "result.tiff")


@BOTH
def test_the_servers_errors_keep_their_classes(client: Client, video: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidTarget, match="no class 'nonsense'"):
        client.explain(video, model=QUICK, target="nonsense")
    with pytest.raises(InvalidTarget):
        client.explain(video, model=QUICK, target="nonsense", on_progress=print)
    text = tmp_path / "clip.mp4"
    text.write_text("no video " * 100)
    with pytest.raises(UnsupportedMedia):
        client.classify(text, model=QUICK)
    with pytest.raises(UnknownModel, match="no-such-model"):
        client.classify(video, model="no-such-model")


@BOTH
def test_a_wrong_token(server: AnyServer, video: Path) -> None:
    with (
        Client(server.url, token="wrong") as client,
        pytest.raises(AuthenticationFailed, match="key_file"),
    ):
        client.classify(video, model=QUICK)


def test_no_server(video: Path) -> None:
    with (
        Client("http://127.0.0.1:9", token="") as client,
        pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:9 did not answer"),
    ):
        client.classify(video, model=QUICK)


@BOTH
def test_both_clients_get_the_same(client: Client, server: AnyServer, video: Path) -> None:
    async def main() -> Explained:
        async with AsyncClient(server.url, key_file=server.key_file) as awaited:
            return await awaited.explain(video, model=QUICK, method="gradient")

    plain = client.explain(video, model=QUICK, method="gradient")
    assert asyncio.run(main()).answer == plain.answer


@BOTH
def test_a_cancelled_job_ends_at_once(client: Client, video: Path) -> None:
    with client.submit(video, model=QUICK, method="rise", masks=5000) as job:
        first = next(job)
        assert isinstance(first, Progress)
        assert first.of == 5000
        assert job.id
        assert job.cancel()
        with pytest.raises(Cancelled):
            job.result()
        assert not job.cancel()
    assert client.classify(video, model=QUICK).predictions


@BOTH
def test_partial_maps_arrive_during_a_search(client: Client, video: Path) -> None:
    maps: list[Partial] = []
    result = client.explain(
        video,
        model=QUICK,
        method="step",
        area=0.1,
        iterations=60,
        partial_every_s=0.2,
        on_partial=maps.append,
    )
    assert maps
    assert maps[0].map.shape == result.saliency.map.shape
    assert (maps[0].method, maps[0].target) == ("step", result.predictions[0].label)


@BOTH
def test_many_clips_keep_their_order(client: Client) -> None:
    several = [clips.frames(count) for count in (16, 17, 18, 19, 20)]
    alone = [client.classify(frames, model=QUICK).answer.clip for frames in several]
    together = client.explain_many(several, model=QUICK, method="gradient", concurrency=3)
    assert [result.answer.clip for result in together] == alone


def test_an_expired_token_is_renewed(server: Server, video: Path) -> None:
    with Client(server.url, key_file=server.key_file) as client:
        assert client.classify(video, model=QUICK).predictions
        keys = json.loads(server.key_file.read_text())
        renew = f"{server.management_url}/token?type=inference"
        with httpx.Client(headers={"Authorization": f"Bearer {keys['API']['key']}"}) as operator:
            assert operator.get(renew).status_code == 200
        # The client's token is refused now; the key file has the new one.
        assert client.classify(video, model=QUICK).predictions
    keys["inference"]["key"] = "expired"
    server.key_file.write_text(json.dumps(keys))
    # No file has a valid token now, so the client has TorchServe renew it.
    with Client(server.url, key_file=server.key_file) as client:
        assert client.classify(video, model=QUICK).predictions
    assert server.keys().inference != "expired"
