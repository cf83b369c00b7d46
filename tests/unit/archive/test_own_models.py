"""A model of one's own: archived under its name, and known by it everywhere."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import videovisual
from videovisual import motion, zoo
from videovisual.errors import InvalidParameter, UnknownModel, WeightsError
from videovisual.zoo.loading import load_folder
from videovisual_archive import archive, mar
from videovisual_archive.store import State, contents
from videovisual_client import doctor
from videovisual_client.cli import main
from videovisual_client.local import Local

BASE = "tsm-motion"
LABELS = ("jump", "wave", "bow")
Command = Callable[..., Result]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """`gestures.pth`, with `gestures.txt` beside it."""
    torch.manual_seed(0)
    network = zoo.build(dataclasses.replace(zoo.card(BASE), labels=LABELS))
    torch.save(network.state_dict(), tmp_path / "gestures.pth")
    (tmp_path / "gestures.txt").write_text("\n".join(LABELS))
    return tmp_path / "gestures.pth"


@pytest.fixture
def command(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in the weights' folder."""
    monkeypatch.chdir(weights.parent)
    monkeypatch.setenv("COLUMNS", "300")
    return lambda *words: CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture
def gestures(command: Command) -> Path:
    """The store in which `gestures` was archived, in the working directory."""
    own = ("--weights", "gestures.pth", "--labels", "gestures.txt", "--as", "gestures")
    done = command("archive", BASE, *own)
    assert done.exit_code == 0, done.output
    return Path("model_store")


@pytest.fixture
def frames() -> np.ndarray:
    return motion.sample(0, split="test").frames


def misnamed(weights: Path, store: Path) -> None:
    """An archive as 0.2 built it: own weights, and the card of the published model."""
    card = dataclasses.replace(zoo.card(BASE), labels=LABELS)
    state = torch.load(weights)
    mar.build_archive(card, state, store, source_sha256=sha256(weights))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_own_weights_without_a_name_are_refused(command: Command, weights: Path) -> None:
    done = command("archive", BASE, "--weights", "gestures.pth", "--labels", "gestures.txt")
    assert done.exit_code == 1
    assert f"not the published ones of {BASE}" in done.stderr
    assert "--as NAME" in done.stderr
    assert not list(Path("model_store").glob("*"))


@pytest.mark.parametrize("missing", ["--weights", "--labels"])
def test_a_file_that_is_not_there_is_no_failed_download(command: Command, missing: str) -> None:
    given = {"--weights": "gestures.pth", "--labels": "gestures.txt"} | {missing: "gone"}
    words = [word for pair in given.items() for word in pair]
    done = command("archive", BASE, *words, "--as", "gestures")
    assert done.exit_code == 1
    assert done.stderr.strip().startswith("missing_file: ")
    assert "'gone'" in done.stderr


def test_the_published_checkpoint_may_be_given_as_a_file(command: Command, tmp_path: Path) -> None:
    file = Path(zoo.__file__).with_name("weights") / f"{BASE}.safetensors"
    assert command("archive", BASE, "--weights", file).exit_code == 0
    (stored,) = contents(Path("model_store"))
    assert (stored.name, stored.state, stored.own) == (BASE, State.CURRENT, False)


def test_without_a_published_checksum_labels_tell_own_weights(weights: Path) -> None:
    card = dataclasses.replace(
        zoo.card(BASE), weights=dataclasses.replace(zoo.card(BASE).weights, sha256=None)
    )
    assert card.is_published(sha256(weights))
    assert not card.is_published(sha256(weights), relabelled=True)


def test_every_way_to_a_model_knows_the_own_one(
    gestures: Path, command: Command, frames: np.ndarray
) -> None:
    np.savez("clip.npz", frames=frames)
    asked = ("clip.npz", "--model", "gestures", "--local", "--json")
    local = json.loads(command("classify", *asked).stdout)
    with Local("cpu") as client:
        assert client.classify(frames, model="gestures").model == "gestures"
    for name in ("gestures", str(gestures / "gestures.mar")):
        library = videovisual.classify(name, frames)
        assert library.model == local["model"] == "gestures"
        assert {each.label for each in library.predictions} == set(LABELS)
        for here, there in zip(library.predictions, local["predictions"], strict=True):
            assert here.label == there["label"]
            assert here.probability == pytest.approx(there["probability"], rel=1e-4)
    assert zoo.card("gestures").base == BASE


def test_the_store_may_be_elsewhere(
    gestures: Path, command: Command, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = gestures.rename("elsewhere").absolute()
    with pytest.raises(UnknownModel):
        zoo.load("gestures")
    assert zoo.load("gestures", store=elsewhere).card.name == "gestures"
    with Local("cpu", elsewhere) as client:
        assert client.classify(frames, model="gestures").model == "gestures"
    np.savez("clip.npz", frames=frames)
    asked = ("classify", "clip.npz", "--model", "gestures", "--local")
    assert command(*asked).exit_code == 1
    assert command(*asked, "--store", elsewhere).exit_code == 0
    monkeypatch.setenv("VIDEOVISUAL_STORE", str(elsewhere))
    assert zoo.load("gestures").card.name == "gestures"
    assert "gestures" in command("models").stdout


def test_an_unknown_model_names_own_ones(gestures: Path) -> None:
    with pytest.raises(UnknownModel, match=r"Nearest: gestures\..*in model_store"):
        zoo.load("gesture")


def test_lists_tell_own_weights(gestures: Path, command: Command) -> None:
    command("archive", BASE)
    models = {each["name"]: each for each in json.loads(command("models", "--json").stdout)}
    assert (models["gestures"]["own_weights"], models["gestures"]["archived"]) == (True, True)
    assert (models[BASE]["own_weights"], models[BASE]["archived"]) == (False, True)
    assert models["gestures"]["weights"]["licence"] == "not known"
    (row,) = [line for line in command("models").stdout.splitlines() if "gestures" in line]
    assert "TSM ResNet, own weights" in row
    listed = json.loads(command("archive", "--list", "--json").stdout)
    assert {each["name"]: each["own_weights"] for each in listed} == {"gestures": True, BASE: False}
    found = [finding.found for finding in doctor.archives(gestures)]
    assert ["own weights" in text for text in found] == [True, False]


def test_an_own_archive_is_built_again_from_its_own_weights(
    gestures: Path, command: Command, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    before = zoo.load("gestures")
    weights.unlink()
    monkeypatch.setitem(mar.SERVING, "responseTimeout", 60)  # type: ignore[index]
    assert contents(gestures)[0].state is State.STALE
    (advice,) = [finding.fix for finding in doctor.archives(gestures)]
    assert command(*advice.split()[1:]).exit_code == 0
    assert contents(gestures)[0].state is State.CURRENT
    after = zoo.load("gestures")
    assert after.card == before.card
    assert after.weights_sha256 == before.weights_sha256


def test_a_published_name_with_own_weights_is_told_and_not_served(
    command: Command, weights: Path
) -> None:
    store = Path("model_store")
    misnamed(weights, store)
    assert contents(store)[0].state is State.MISNAMED
    (finding,) = doctor.archives(store)
    assert finding.level is doctor.Level.WRONG
    assert f"videovisual archive {BASE}" in finding.fix
    assert "with own weights" in command("models").stdout
    done = command("serve", BASE)
    assert done.exit_code == 1
    assert "own weights under a published model's name" in done.stderr
    assert command("archive", BASE).exit_code == 0
    assert contents(store)[0].state is State.CURRENT


def test_one_checksum_names_the_weights_everywhere(
    gestures: Path, frames: np.ndarray, weights: Path, tmp_path: Path
) -> None:
    """That of the checkpoint; a server unpacks the archive and loads the folder."""
    archive(BASE, store=gestures)
    for name in (BASE, "gestures"):
        with zipfile.ZipFile(gestures / f"{name}.mar") as opened:
            opened.extractall(tmp_path / name)
        with Local("cpu") as client:
            local = client.explain(frames, model=name, method="gradient").saliency.provenance
        models = (zoo.load(name), load_folder(tmp_path / name))
        library, served = (
            videovisual.explain(model, frames, method="gradient").provenance for model in models
        )
        told = {(each["model"], each["weights_sha256"]) for each in (library, served, local)}
        file = Path(zoo.__file__).with_name("weights") / f"{BASE}.safetensors"
        assert told == {(name, sha256(weights if name == "gestures" else file))}


def test_own_weights_are_not_called_by_the_published_name(
    weights: Path, frames: np.ndarray
) -> None:
    model = zoo.load(BASE, weights, labels=weights.with_suffix(".txt"))
    saliency = videovisual.explain(model, frames, method="gradient")
    assert saliency.provenance["model"] == f"{BASE}-own"
    assert saliency.provenance["weights_sha256"] == sha256(weights)
    assert model.card.weights.origin == "own weights"
    entries = zoo.load(BASE, torch.load(weights), labels=weights.with_suffix(".txt"))
    assert entries.card.name == f"{BASE}-own"


def test_a_damaged_own_archive_is_one_error(gestures: Path) -> None:
    path = gestures / "gestures.mar"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(WeightsError, match="is damaged"):
        zoo.load("gestures")


def test_a_network_alone_is_refused_with_the_way_to_wrap_it(frames: np.ndarray) -> None:
    network = zoo.build(zoo.card(BASE))
    for ask in (videovisual.explain, videovisual.classify):
        with pytest.raises(InvalidParameter, match=r"Classifier\(ModelCard\("):
            ask(network, frames)  # type: ignore[operator]
    with pytest.raises(InvalidParameter, match="not of TemporalShiftResNet and ModelCard"):
        zoo.Classifier(network, zoo.card(BASE))  # type: ignore[arg-type]


class Mean(torch.nn.Module):
    """A network of one's own, whose scores are the means of the colours."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = torch.nn.Conv3d(3, 3, 1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.stage(clips).mean(dim=(2, 3, 4))


def own_card(
    labels: tuple[str, ...] = ("red", "green", "blue"), layer: str = "stage"
) -> zoo.ModelCard:
    return dataclasses.replace(
        zoo.card(BASE), name="colours", family="mine", labels=labels, cam_layer=layer
    )


@pytest.mark.parametrize("method", ["gradient", "grad_cam", "occlusion", "rise", "step"])
def test_a_network_of_ones_own_is_explained(method: str, frames: np.ndarray) -> None:
    few = {"rise": {"masks": 4}, "step": {"iterations": 2}, "occlusion": {"box": 32}}
    model = zoo.Classifier(own_card(), Mean())
    saliency = videovisual.explain(model, frames, method=method, **few.get(method, {}))
    assert saliency.map.shape == (8, 64, 64)
    assert saliency.provenance["model"] == "colours"
    assert saliency.provenance["weights_sha256"] == model.weights_sha256
    other = zoo.Classifier(own_card(), Mean())
    assert other.weights_sha256 != model.weights_sha256


def test_what_does_not_fit_a_network_of_ones_own_is_told(frames: np.ndarray) -> None:
    two = zoo.Classifier(own_card(("red", "green")), Mean())
    for ask in (videovisual.explain, videovisual.classify):
        with pytest.raises(InvalidParameter, match=r"3 logits.* 2 labels"):
            ask(two, frames)
    elsewhere = zoo.Classifier(own_card(layer="layer4"), Mean())
    with pytest.raises(InvalidParameter, match=r"no layer 'layer4'.*stage"):
        videovisual.explain(elsewhere, frames, method="grad_cam")
