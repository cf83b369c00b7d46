"""Which results of a folder of clips count as finished, and what its summary says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import (
    FakeServer,
    Received,
    Reply,
    answer,
    asks_for_classes,
    explain_or_classify,
)

from videovisual.attribution import catalogue
from videovisual_client import content_key

GRAD_CAM = ("--method", "grad_cam")


@pytest.fixture
def films(fake: FakeServer, tmp_path: Path) -> Path:
    fake.handler = explain_or_classify
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("summary.mp4", "x.avi", "x.mp4", "index.gif"):
        (folder / name).write_bytes(name.encode())
    return folder


def computed(fake: FakeServer) -> list[Received]:
    """The requests since the last call, but for the one that asks for the model's classes."""
    received, fake.received = fake.received, []
    return [request for request in received if not asks_for_classes(request)]


def summary(folder: str = "results/classification/m") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(folder, "summary.json").read_text())
    return loaded


def test_each_clip_has_a_result_of_its_own(fake: FakeServer, run: Run, films: Path) -> None:
    assert run("classify", films, "--model", "m").exit_code == 0
    assert len(computed(fake)) == 4
    names = [row["clip"] for row in summary()["rows"]]
    assert names == ["index.gif", "summary.mp4", "x.avi", "x.mp4"]
    records = [Path("results/classification/m", f"{name}.json") for name in names]
    assert [json.loads(path.read_text())["clip"] for path in records] == [
        str(films / name) for name in names
    ]
    assert run("classify", films, "--model", "m").exit_code == 0
    assert computed(fake) == []
    assert summary()["clips"] == 4


def test_a_replaced_clip_is_computed_again(fake: FakeServer, run: Run, films: Path) -> None:
    run("classify", films, "--model", "m")
    computed(fake)
    (films / "x.mp4").write_bytes(b"other film")
    run("classify", films, "--model", "m")
    assert [b"other film" in request.body for request in computed(fake)] == [True]
    (films / "x.mp4").unlink()
    (films / "x.mkv").write_bytes(b"third film")
    (films / "x.avi").unlink()
    run("classify", films, "--model", "m")
    assert [b"third film" in request.body for request in computed(fake)] == [True]


def test_a_replaced_frame_is_seen(fake: FakeServer, run: Run, clips: Path) -> None:
    fake.handler = explain_or_classify
    run("classify", clips, "--model", "m")
    computed(fake)
    (clips / "ironing-v_0/1.png").write_bytes((clips / "ironing-v_0/0.png").read_bytes())
    run("classify", clips, "--model", "m")
    assert len(computed(fake)) == 1


def test_another_version_or_model_computes_all_again(
    fake: FakeServer, run: Run, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("classify", films, "--model", "m")
    computed(fake)
    with monkeypatch.context() as patch:
        patch.setattr(content_key, "__version__", "0.0.1")
        run("classify", films, "--model", "m")
    assert len(computed(fake)) == 4

    def retrained(_: Received) -> Reply:
        other = answer().model_copy(update={"classifier_sha256": "d" * 64})
        return Reply(other.model_dump(mode="json"))

    run("classify", films, "--model", "m")
    computed(fake)
    fake.handler = retrained
    run("classify", films, "--model", "m")
    assert len(computed(fake)) == 4
    run("classify", films, "--model", "m")
    assert len(computed(fake)) == 0


def test_without_the_weights_hash_nothing_counts_as_finished(
    fake: FakeServer, run: Run, films: Path
) -> None:
    unnamed = answer().model_copy(update={"classifier_sha256": None})
    fake.reply_with(Reply(unnamed.model_dump(mode="json")))
    for _ in range(2):
        run("classify", films, "--model", "m")
        assert len(computed(fake)) == 4


def test_two_spellings_of_a_request_are_one(fake: FakeServer, run: Run, films: Path) -> None:
    steps = catalogue.find("integrated_gradients").defaults["steps"]
    for spelling in ([], ["--steps", steps], ["-p", f"steps={steps}.0"], ["--timeout", "50"]):
        run("explain", films, "--model", "m", "--method", "ig", *spelling)
        assert len(computed(fake)) == (0 if spelling else 4)
    run("explain", films, "--model", "m", "--method", "ig", "--steps", "3")
    assert len(computed(fake)) == 4


def test_labels_that_the_model_does_not_have_do_not_count(
    fake: FakeServer, run: Run, films: Path
) -> None:
    for name in ("ironing/a.mp4", "abseiling/b.mp4", "cooking/c.mp4"):
        (films / name).parent.mkdir()
        (films / name).write_bytes(name.encode())
    (films / "notes.txt").write_text("x")
    done = run("classify", films, "--model", "m")
    found = summary()
    assert (found["clips"], found["labelled"], found["accuracy"]) == (7, 2, 0.5)
    assert found["unknown_labels"] == {"cooking": 1}
    assert found["remarks"] == ["left out, because they are no clips: 1 (notes.txt)"]
    assert "accuracy 50.0% of 2 that count" in done.stdout
    assert "they don't count: 1 (cooking (1))" in done.stderr
    assert "notes.txt" in done.stderr


def test_labels_from_a_list(run: Run, films: Path) -> None:
    Path("list.txt").write_text("x.mp4 1\nx.avi 0\ngone.mp4 2\n")
    done = run("classify", films, "--model", "m", "--labels-from", "list.txt", "--json")
    found = json.loads(done.stdout)
    assert [(row["clip"], row["label"], row["correct"]) for row in found["rows"]] == [
        ("x.avi", "abseiling", False),
        ("x.mp4", "ironing", True),
    ]
    assert found["remarks"] == [
        "in the list, but not in the folder: 1 (gone.mp4)",
        "in the folder, but not in the list: 2 (index.gif, summary.mp4)",
        "the list's labels are numbers, and read as counting from 0",
    ]


def test_names_that_are_not_utf_8(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    fake.handler = explain_or_classify
    (tmp_path / "films").mkdir()
    (tmp_path / "films/bad\udcff.mp4").write_bytes(b"film")
    assert run("explain", tmp_path / "films", "--model", "m", *GRAD_CAM).exit_code == 0
    assert "bad\\xff" in Path("results/grad_cam/m/summary.csv").read_text()
    assert Path("results/grad_cam/m/bad\\xff.npz").is_file()


def test_a_result_whose_picture_fails_leaves_nothing_behind(
    fake: FakeServer, run: Run, films: Path
) -> None:
    done = run("explain", films, "--model", "m", *GRAD_CAM, "--format", "png")
    assert done.exit_code == 4
    assert summary("results/grad_cam/m")["failed"] == 4
    left = {path.name for path in Path("results/grad_cam/m").iterdir()}
    assert not [name for name in left if name.endswith((".png", ".json")) and name[0] in ".x"]


def test_the_overview_links_pictures_with_label_confidence_and_caveats(
    fake: FakeServer, run: Run, clips: Path
) -> None:
    fake.handler = explain_or_classify
    (clips / "ironing-v_0").rename(clips / "ironing-<b>#1")
    (clips / "notes.txt").write_text("x")
    arguments = ["explain", clips, "--model", "m", *GRAD_CAM, "--format", "png", "--format", "html"]
    assert run(*arguments).exit_code == 0
    page = Path("results/grad_cam/m/index.html").read_text()
    assert "<h1>grad_cam: m</h1>" in page
    assert 'href="ironing-%3Cb%3E%231.html"' in page
    assert 'src="ironing-%3Cb%3E%231.png" alt="Saliency of ironing-&lt;b&gt;#1."' in page
    assert "ironing (75.0%)" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "notes.txt" in page
    assert page.count('<th scope="row">') == 4
