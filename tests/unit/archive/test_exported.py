"""Archives of exported programs: built from Python or a `.pt2`, and known everywhere."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tests.unit.zoo.program.networks import LABELS, SPEC, Attention, Convolutional, classifier

import videovisual
from videovisual import motion, zoo
from videovisual.errors import InvalidParameter, WeightsError
from videovisual.zoo.archived import PROGRAM_FILE
from videovisual.zoo.loading import load_folder
from videovisual_archive import archive
from videovisual_archive.store import State, contents
from videovisual_client.cli import main

CARD = {
    "labels": LABELS,
    "input": {"frames": 8, "size": 16},
    "options": {"layout": "NTCHW", "output": "logits"},
    "licence": "MIT",
}


@pytest.fixture
def frames() -> np.ndarray:
    return motion.sample(0, split="test").frames


class Frames(Attention):
    """Takes [N, T, C, H, W]."""

    def forward(self, clips: torch.Tensor) -> dict[str, torch.Tensor]:
        return super().forward(clips.transpose(1, 2))


@pytest.fixture
def pt2(tmp_path: Path) -> Path:
    """`net.pt2` of a user's own, with `card.json` beside it."""
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    network = Frames().eval()
    clips = torch.randn(2, 8, 3, 16, 16)
    program = torch.export.export(network, (clips,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.export.save(program, tmp_path / "net.pt2")
    return tmp_path / "net.pt2"


def test_an_archive_gives_the_same_answers(tmp_path: Path, frames: np.ndarray) -> None:
    model = classifier(Convolutional())
    path = model.archive("mine", store=tmp_path)
    assert path == tmp_path / "mine.mar"
    with zipfile.ZipFile(path) as opened:
        names = opened.namelist()
        opened.extractall(tmp_path / "folder")
    assert not [name for name in names if name.endswith((".pt", ".pt2", ".pkl", ".pth"))]
    clips = torch.randn(2, *SPEC.shape)
    for loaded in (zoo.load("mine", store=tmp_path), load_folder(tmp_path / "folder")):
        assert loaded.card.family == "program"
        assert (loaded.logits(clips) == model.logits(clips)).all()
        assert loaded.weights_sha256 == model.weights_sha256
        one, other = (
            videovisual.explain(each, frames, method="grad_cam", layer="stem").map
            for each in (model, loaded)
        )
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


def test_an_archive_is_current_and_built_again_from_itself(tmp_path: Path) -> None:
    path = classifier(Convolutional()).archive("mine", store=tmp_path)
    content = path.read_bytes()
    (stored,) = contents(tmp_path)
    assert (stored.state, stored.own) == (State.CURRENT, True)
    archive("mine", store=tmp_path, force=True)
    assert path.read_bytes() == content
    assert zoo.load("mine", store=tmp_path).archive("again", store=tmp_path).is_file()


def test_the_command_archives_a_pt2(
    pt2: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pt2.parent)
    monkeypatch.setenv("COLUMNS", "300")
    run = CliRunner().invoke
    done = run(main, ["archive", "net.pt2", "--card", "card.json", "--as", "mine"])
    assert done.exit_code == 0, done.output
    model = zoo.load("mine")
    network = torch.export.load(pt2).module()
    clips = torch.randn(2, *SPEC.shape)
    expected = network(clips.transpose(1, 2))["logits"]
    torch.testing.assert_close(model.logits(clips), expected, rtol=0, atol=1e-6)
    assert "net.pt2, exported program" in run(main, ["models"]).stdout
    (listed,) = json.loads(run(main, ["archive", "--list", "--json"]).stdout)
    assert (listed["name"], listed["state"], listed["own_weights"]) == ("mine", "current", True)
    models = json.loads(run(main, ["models", "--json"]).stdout)
    (card,) = [each for each in models if each["name"] == "mine"]
    assert (card["family"], card["weights"]["licence"]) == ("program", "MIT")
    np.savez("clip.npz", frames=frames)
    local = run(main, ["classify", "clip.npz", "--model", "mine", "--local", "--json"])
    assert {each["label"] for each in json.loads(local.stdout)["predictions"]} == set(LABELS)


@pytest.mark.parametrize(
    "words",
    [
        ["net.pt2"],
        ["net.pt2", "--card", "card.json"],
        ["net.pt2", "--as", "mine"],
        ["net.pt2", "r3d-motion", "--card", "card.json", "--as", "mine"],
        ["net.pt2", "--card", "card.json", "--as", "mine", "--labels", "card.json"],
    ],
)
def test_the_command_says_what_a_pt2_needs(
    words: list[str], pt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pt2.parent)
    done = CliRunner().invoke(main, ["archive", *words])
    assert done.exit_code == 2
    assert "MODEL.pt2 --card card.json --as NAME" in done.stderr


def test_cards_that_do_not_fit_are_refused(pt2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pt2.parent)
    bad = {
        "is no card": [{}, [], {"labels": LABELS, "input": {"size": 3}}],
        "Change `labels`": [{**CARD, "labels": ["one", "two"]}],
        "Change `input`": [{**CARD, "options": {"output": "logits"}}],
        "Change `output`": [{**CARD, "options": {"layout": "NTCHW", "output": "nothing"}}],
    }
    for message, cards in bad.items():
        for card in cards:
            Path("card.json").write_text(json.dumps(card))
            words = ["archive", "net.pt2", "--card", "card.json", "--as", "m"]
            done = CliRunner().invoke(main, words)
            assert done.exit_code == 1
            assert message in " ".join(done.stderr.split()), done.stderr
    assert not list(Path("model_store").glob("*"))


def test_other_weights_and_names_are_refused(tmp_path: Path) -> None:
    model = classifier(Convolutional())
    with pytest.raises(InvalidParameter, match="cannot be served as 'r3d-motion'"):
        model.archive("r3d-motion", store=tmp_path)
    model.archive("mine", store=tmp_path)
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc")
    with pytest.raises(WeightsError, match="has its own weights and labels"):
        zoo.load("mine", labels=labels, store=tmp_path)
    with pytest.raises(WeightsError, match="has its own weights and labels"):
        zoo.load("mine", model.network.state_dict(), store=tmp_path)


def test_damaged_programs_are_one_error(tmp_path: Path) -> None:
    path = classifier(Convolutional()).archive("mine", store=tmp_path)
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    bomb = b"[" + b" " * (65 << 20) + b"]"
    for content in (b"", b"[]", b"{", b"[" * 1_000_000, bomb):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, each in {**members, PROGRAM_FILE: content}.items():
                opened.writestr(name, each)
        with pytest.raises(WeightsError, match=r"damaged|at most"):
            zoo.load("mine", store=tmp_path)
