"""Views and timelines, through TorchServe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.serving.api import Api
from tests.serving.clips import bikes_like_mp4
from tests.serving.conftest import QUICK
from tests.serving.test_command import run

from videovisual.errors import InvalidParameter
from videovisual_client import Client
from videovisual_client.torchserve import Server


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of H.264."""
    path = tmp_path_factory.mktemp("clips") / "film.mp4"
    path.write_bytes(bikes_like_mp4(count=75))
    return path


def test_views(client: Client, film: Path) -> None:
    result = client.classify(film, model=QUICK, views=3)
    assert len(result.answer.clip["windows"]) == 3
    assert result.timeline == []
    single = client.classify(film, model=QUICK)
    assert single.predictions[0].probability != result.predictions[0].probability


def test_a_timeline(client: Client, film: Path) -> None:
    result = client.classify(film, model=QUICK, timeline=True, top_k=2)
    assert [(second.start_s, second.end_s) for second in result.timeline] == [
        (0, 1),
        (1, 2),
        (2, 3),
    ]
    assert [len(second.predictions) for second in result.timeline] == [2, 2, 2]
    middle = client.classify(film, model=QUICK, start_s=1.18, end_s=1.82, top_k=2)
    assert result.timeline[1].predictions[0].index == middle.predictions[0].index


def test_a_stream_of_a_timeline_ends_with_its_answer(api: Api, film: Path) -> None:
    fields = {"timeline": "true", "stream": "true"}
    response = api.predict(files={"video": film.read_bytes()}, data=fields)
    *_, result, done = (json.loads(line) for line in response.text.splitlines())
    assert len(result["answer"]["timeline"]) == 3
    assert done == {"event": "done"}


def test_an_explanation_of_views_is_refused(client: Client, film: Path) -> None:
    with pytest.raises(InvalidParameter, match="views is for classification only"):
        client.explain(film, model=QUICK, views=2)


def test_the_command(server: Server, film: Path) -> None:
    where = {"url": server.url, "key_file": str(server.key_file), "model": QUICK}
    done = run("classify", str(film), "--timeline", **where)
    assert done.returncode == 0, done.stderr
    rows = [line.split()[0] for line in done.stdout.splitlines() if "-" in line.split()[0]]
    assert rows == ["0-1", "1-2", "2-3"]
    as_json = run("classify", str(film), "--json", views="2", **where)
    assert len(json.loads(as_json.stdout)["clip"]["windows"]) == 2


def test_a_film_is_explained_as_in_this_process(server: Server, film: Path, tmp_path: Path) -> None:
    asked = {"model": QUICK, "method": "grad_cam", "windows": "1"}
    there = {"url": server.url, "key_file": str(server.key_file)}
    written = []
    for name, where in (("server", there), ("local", {})):
        folder = tmp_path / name
        flags = ["--timeline", "-o", str(folder), *([] if where else ["--local"])]
        done = run("explain", str(film), *flags, **asked, **where)
        assert done.returncode == 0, done.stderr
        (page,) = folder.glob("**/index.html")
        assert page.read_text("utf-8").count('id="window-') == 1
        written.append(json.loads(page.with_name("timeline.json").read_text("utf-8")))
    remote, local = written
    assert [each["predictions"][0]["label"] for each in remote["windows"]] == [
        each["predictions"][0]["label"] for each in local["windows"]
    ]
    (moment,) = [each for each in remote["moments"] if each["explanation"]]
    (same,) = [each for each in local["moments"] if each["explanation"]]
    assert moment["best"] == same["best"]
    assert moment["class"]["logit"] == pytest.approx(same["class"]["logit"], abs=1e-4)
