import dataclasses
import hashlib
import io
import json
import zipfile
from argparse import Namespace

import pytest
import torch

from videovisual import zoo
from videovisual.errors import DownloadError, UnknownModel, WeightsError
from videovisual_archive import archive

VERBS = "verb_id,class_key,verbs\n0,take,['take']\n1,put,['put']\n2,open,['open']\n"


@pytest.fixture
def card(monkeypatch):
    """The EPIC-Kitchens card at a small size."""
    card = dataclasses.replace(
        zoo.card("tsm-epic55-verb"),
        labels=("verb 0", "verb 1", "verb 2"),
        options={"head": "fc_verb", "width": 8, "blocks": (1, 1, 1, 1)},
    )
    monkeypatch.setattr("videovisual.zoo.registry.cards", lambda: {card.name: card})
    return card


@pytest.fixture
def published(card, site, monkeypatch):
    """A stand-in checkpoint as the authors publish theirs, and the labels, on a web server."""
    torch.manual_seed(0)
    state = {}
    for key, tensor in zoo.build(card).state_dict().items():
        flat = tensor.squeeze(2) if tensor.ndim == 5 else tensor
        base = f"base_model.{key.replace('.conv1.', '.conv1.net.')}"
        state[f"module.{key.replace('fc', 'fc_verb') if 'fc' in key else base}"] = flat
    state |= {"module.fc_noun.weight": torch.zeros(5, 256), "module.fc_noun.bias": torch.zeros(5)}
    content = {"state_dict": state, "segment_count": 8, "args": Namespace(arch="resnet50")}
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    site.files = {"/tsm.pth.tar": buffer.getvalue(), "/verbs.csv": VERBS.encode()}
    monkeypatch.setattr("videovisual_archive.SOURCES", {card.name: f"{site.url}/verbs.csv"})
    return f"{site.url}/tsm.pth.tar"


@pytest.fixture
def make(card, tmp_path):
    def run(weights, **options):
        return archive(
            card.name,
            weights=weights,
            store=tmp_path / "store",
            cache=tmp_path / "cache",
            **options,
        )

    return run


def test_published_weights_become_an_archive(make, published, site):
    site.cuts = [100_000]
    made = make(published)
    with zipfile.ZipFile(made) as opened:
        card = json.loads(opened.read("card.json"))
        build = json.loads(opened.read("build.json"))
    assert card["labels"] == ["take", "put", "open"]
    assert build["source_sha256"] == hashlib.sha256(site.files["/tsm.pth.tar"]).hexdigest()


def test_the_second_time_nothing_is_done(make, published, site, tmp_path):
    made = make(published)
    before, asked = made.stat().st_mtime_ns, len(site.requests)
    assert make(published).stat().st_mtime_ns == before
    assert len(site.requests) == asked
    digest = hashlib.sha256(site.files["/tsm.pth.tar"]).hexdigest()
    for kept in tmp_path.glob("cache/*/tsm.pth.tar"):
        kept.unlink()
    assert make(published, sha256=digest).stat().st_mtime_ns == before
    assert len(site.requests) == asked


def test_labels_can_be_given(make, published, tmp_path):
    (tmp_path / "names.txt").write_text("nehmen\nlegen\nöffnen\n")
    with zipfile.ZipFile(make(published, labels=tmp_path / "names.txt")) as opened:
        assert json.loads(opened.read("card.json"))["labels"] == ["nehmen", "legen", "öffnen"]


def test_labels_that_cannot_be_had_are_told(make, published, site):
    del site.files["/verbs.csv"]
    with pytest.raises(DownloadError, match="Or give it with `--labels FILE`"):
        make(published)


def test_a_wrong_checksum_never_makes_an_archive(make, published, tmp_path):
    with pytest.raises(WeightsError, match="fails its checksum"):
        make(published, sha256="0" * 64)
    assert not list(tmp_path.glob("store/*"))


def test_a_download_that_stays_cut_never_makes_an_archive(make, published, site, tmp_path):
    site.cuts = [len(VERBS), *[1000] * 10]
    with pytest.raises(DownloadError, match="without success"):
        make(published)
    assert not list(tmp_path.glob("store/*"))


def test_another_networks_checkpoint_is_told(make, published, tmp_path):
    other = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, other)
    with pytest.raises(WeightsError, match=r"doesn't fit the network.*keys missing"):
        make(other)
    assert not list(tmp_path.glob("store/*"))


def test_an_unknown_model_is_told(tmp_path, card):
    with pytest.raises(UnknownModel, match="tsm-epic55-verb"):
        archive("tsm-epic55-verbs", store=tmp_path)
