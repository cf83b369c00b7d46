"""Archives of ONNX models: the file as it is, known everywhere, and checked when it is loaded."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tests.onnx_network import LABELS, SPEC, Network, external, proto, saved

import videovisual
from videovisual import Classifier, motion, zoo
from videovisual.errors import InvalidParameter, MissingExtra, WeightsError
from videovisual.zoo.archived import BUILD_FILE, CARD_FILE, ONNX_FILE
from videovisual.zoo.loading import load_folder
from videovisual_archive import archive
from videovisual_archive.store import State, contents
from videovisual_client.cli import main

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

CARD: dict[str, Any] = {
    "labels": LABELS,
    "input": {"frames": 4, "size": [6, 8]},
    "scores": "sigmoid",
    "options": {"layout": "NTCHW", "output": "logits"},
    "licence": "MIT",
}

COMMAND = ["archive", "model.onnx", "--card", "card.json", "--as", "m"]


@pytest.fixture
def frames() -> np.ndarray:
    return motion.sample(0, split="test").frames


@pytest.fixture
def network() -> Network:
    return Network().eval().requires_grad_(False)


@pytest.fixture
def file(tmp_path: Path, network: Network) -> Path:
    """`model.onnx` of a user's own, with `card.json` beside it."""
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    return saved(tmp_path, proto(network, "NTCHW"))


def rewritten(path: Path, **changed: bytes) -> None:
    """An archive with other content of some files."""
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in {**members, **changed}.items():
            opened.writestr(name, content)


def test_an_archive_gives_the_same_answers(file: Path, frames: np.ndarray) -> None:
    described = {"layout": "NTCHW", "scores": "sigmoid", "output": "logits"}
    model = Classifier.from_onnx(file, LABELS, SPEC, **described)  # type: ignore[arg-type]
    store = file.parent / "store"
    path = model.archive("mine", store=store)
    with zipfile.ZipFile(path) as opened:
        assert opened.read(ONNX_FILE) == file.read_bytes()
        opened.extractall(file.parent / "folder")
    expected = videovisual.explain(model, frames, "rise", masks=6)
    for loaded in (zoo.load("mine", store=store), load_folder(file.parent / "folder")):
        assert (loaded.card.scores, loaded.card.name) == ("sigmoid", "mine")
        found = videovisual.explain(loaded, frames, "rise", masks=6)
        np.testing.assert_array_equal(found.map, expected.map)
        assert found.provenance["weights_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        for saliency in (found, expected):
            assert saliency.provenance["onnxruntime"] == onnxruntime.__version__


def test_probabilities_are_still_probabilities_in_an_archive(file: Path) -> None:
    clip = torch.randn(1, *SPEC.shape)
    model = onnx.load(file)
    model.graph.node.append(onnx.helper.make_node("Softmax", ["logits"], ["shares"], axis=1))
    model.graph.output[0].name = "shares"
    saved(file.parent, model)
    made = Classifier.from_onnx(file, LABELS, SPEC, layout="NTCHW", probabilities=True)
    made.archive("mine", store=file.parent)
    logits = zoo.load("mine", store=file.parent).logits(clip)
    assert (logits == made.logits(clip)).all()
    assert logits.exp().sum() == pytest.approx(1, abs=1e-5)


def test_the_command_archives_an_onnx_model(
    file: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("COLUMNS", "300")
    run = CliRunner().invoke
    done = run(main, ["archive", "model.onnx", "--card", "card.json", "--as", "mine"])
    assert done.exit_code == 0, done.output
    assert "model.onnx, ONNX model" in run(main, ["models"]).stdout
    (listed,) = json.loads(run(main, ["archive", "--list", "--json"]).stdout)
    assert (listed["name"], listed["state"], listed["own_weights"]) == ("mine", "current", True)
    np.savez("clip.npz", frames=frames)
    local = run(main, ["classify", "clip.npz", "--model", "mine", "--local", "--json"])
    assert {each["label"] for each in json.loads(local.stdout)["predictions"]} == set(LABELS)


def test_an_archive_is_current_and_built_again_from_itself(file: Path) -> None:
    store = file.parent / "store"
    path = Classifier.from_onnx(file, LABELS, SPEC, layout="NTCHW").archive("mine", store=store)
    content = path.read_bytes()
    (stored,) = contents(store)
    assert stored.state is State.CURRENT
    archive("mine", store=store, force=True)
    assert path.read_bytes() == content
    assert zoo.load("mine", store=store).archive("again", store=store).is_file()


def test_weights_beside_the_file_are_in_the_archive(tmp_path: Path, network: Network) -> None:
    weights = tmp_path / "w.bin"
    weights.write_bytes(network.conv.weight.numpy().tobytes())
    file = saved(tmp_path, external(proto(network), "w.bin"))
    model = Classifier.from_onnx(file, LABELS, SPEC, layout="NCTHW")
    model.archive("mine", store=tmp_path)
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(WeightsError, match="has changed since it was loaded"):
        model.archive("other", store=tmp_path)
    weights.unlink()
    clip = torch.randn(1, *SPEC.shape)
    assert (zoo.load("mine", store=tmp_path).logits(clip) == model.logits(clip)).all()


def test_what_an_archive_cannot_hold_is_refused(
    file: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Classifier.from_onnx(file, LABELS, SPEC, layout="NTCHW", output=lambda answer: answer)
    with pytest.raises(InvalidParameter, match="holds no code, and `output` is a function"):
        made.archive("mine", store=file.parent)
    monkeypatch.chdir(file.parent)
    bad = {"cam_layer": "conv", "options": {"pathways": [2]}}
    for key, value in bad.items():
        Path("card.json").write_text(json.dumps({**CARD, key: value}))
        done = CliRunner().invoke(
            main, ["archive", "model.onnx", "--card", "card.json", "--as", "m"]
        )
        assert done.exit_code == 1
        assert "which this kind of model hasn't" in " ".join(done.stderr.split())
    custom = proto(network, "NTCHW")
    custom.graph.node[3].domain = "their.library"
    custom.opset_import.append(onnx.helper.make_opsetid("their.library", 1))
    saved(file.parent, custom)
    Path("card.json").write_text(json.dumps(CARD))
    done = CliRunner().invoke(main, COMMAND)
    assert done.exit_code == 1
    assert "their.library:Relu" in " ".join(done.stderr.split())


def test_a_changed_archive_is_refused(file: Path, network: Network) -> None:
    path = Classifier.from_onnx(file, LABELS, SPEC, layout="NTCHW").archive(
        "mine", store=file.parent
    )
    other = proto(network, "NTCHW")
    other.graph.node[3].op_type = "Sigmoid"
    rewritten(path, **{ONNX_FILE: other.SerializeToString()})
    with pytest.raises(WeightsError, match="SHA-256 is not the one that was archived"):
        zoo.load("mine", store=file.parent)
    outside = external(proto(network, "NTCHW"), "/etc/hostname").SerializeToString()
    with zipfile.ZipFile(path) as opened:
        build = json.loads(opened.read(BUILD_FILE))
    build["source_sha256"] = hashlib.sha256(outside).hexdigest()
    rewritten(path, **{ONNX_FILE: outside, BUILD_FILE: json.dumps(build).encode()})
    with pytest.raises(WeightsError, match=r"said to be in '?/etc/hostname"):
        zoo.load("mine", store=file.parent)


@pytest.mark.parametrize("options", [{}, {"layout": "NTCHW"}, {"probabilities": 1, "extra": 2}])
def test_a_card_that_does_not_say_how_scores_are_read_is_refused(
    file: Path, options: dict[str, Any]
) -> None:
    path = Classifier.from_onnx(file, LABELS, SPEC, layout="NTCHW").archive(
        "mine", store=file.parent
    )
    with zipfile.ZipFile(path) as opened:
        card = json.loads(opened.read(CARD_FILE))
    rewritten(path, **{CARD_FILE: json.dumps({**card, "options": options}).encode()})
    with pytest.raises(WeightsError, match="doesn't say how its scores are read"):
        zoo.load("mine", store=file.parent)


def test_other_weights_and_labels_are_refused(file: Path) -> None:
    Classifier.from_onnx(file, LABELS, SPEC, layout="NTCHW").archive("mine", store=file.parent)
    labels = file.parent / "labels.txt"
    labels.write_text("a\nb\nc")
    for given in ({"labels": labels}, {"weights": {}}):
        with pytest.raises(WeightsError, match="is an ONNX model, which has its own weights"):
            zoo.load("mine", store=file.parent, **given)  # type: ignore[arg-type]


def test_without_onnxruntime_a_server_says_what_it_needs(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = file.parent
    path = Classifier.from_onnx(file, LABELS, SPEC, layout="NTCHW").archive("mine", store=store)
    with zipfile.ZipFile(path) as opened:
        opened.extractall(file.parent / "folder")
    for package in ("onnx", "onnxruntime"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtra, match="ONNX models need onnx and onnxruntime"):
                load_folder(file.parent / "folder")
            done = CliRunner().invoke(main, ["serve", "mine", "--store", str(store)])
            assert done.exit_code == 1
            assert "ONNX models need onnx and onnxruntime" in " ".join(done.stderr.split())
