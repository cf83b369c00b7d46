import dataclasses
import hashlib
import json
import zipfile

import pytest
import torch
from tests.unit.zoo.layouts import tsm_authors

from videovisual import zoo
from videovisual.errors import DownloadError, InvalidParameter, UnknownModel, WeightsError
from videovisual.zoo.loading import load_folder
from videovisual_archive import archive
from videovisual_archive.store import State, contents

HEADS = ("fc_verb", "fc_noun")


@pytest.fixture
def make(card, tmp_path):
    def run(weights, name=card.name, **options):
        return archive(
            name, weights=weights, store=tmp_path / "store", cache=tmp_path / "cache", **options
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


def test_a_current_archive_is_not_rebuilt(make, published, site, tmp_path):
    made = make(published)
    before, requests = made.stat().st_mtime_ns, len(site.requests)
    assert make(published).stat().st_mtime_ns == before
    assert len(site.requests) == requests
    digest = hashlib.sha256(site.files["/tsm.pth.tar"]).hexdigest()
    for kept in tmp_path.glob("cache/*/tsm.pth.tar"):
        kept.unlink()
    assert make(published, sha256=digest).stat().st_mtime_ns == before
    assert len(site.requests) == requests


def test_labels_can_be_given(make, published, tmp_path):
    (tmp_path / "names.txt").write_text("nehmen\nlegen\nöffnen\n")
    with zipfile.ZipFile(make(published, labels=tmp_path / "names.txt")) as opened:
        assert json.loads(opened.read("card.json"))["labels"] == ["nehmen", "legen", "öffnen"]


def test_16_bit_weights_stay_16_bit_and_are_told(make, card, tmp_path):
    torch.manual_seed(0)
    half = {key: value.half() for key, value in tsm_authors(zoo.build(card), heads=HEADS).items()}
    torch.save({"state_dict": half}, tmp_path / "half.pth")
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    with zipfile.ZipFile(
        make(tmp_path / "half.pth", labels=tmp_path / "names.txt", served_as="half")
    ) as opened:
        opened.extractall(tmp_path / "served")
    served = load_folder(tmp_path / "served")
    assert served.weights_dtype == "float16"
    own = zoo.load(card.name, tmp_path / "half.pth", labels=tmp_path / "names.txt")
    assert torch.equal(served.network.fc.weight, own.network.fc.weight)


def test_nouns_have_their_own_head_and_names(make, published, card, cards, site):
    """As published, one file holds both models."""
    (noun,) = (card for card in cards.values() if card.name == "tsm-epic55-noun")
    with zipfile.ZipFile(make(published, name=noun.name)) as opened:
        assert json.loads(opened.read("card.json"))["labels"] == ["pan", "tap"]
        assert json.loads(opened.read("card.json"))["options"]["head"] == "fc_noun"
    assert [path for path, *_ in site.requests] == ["/nouns.csv", "/tsm.pth.tar"]


def test_missing_labels_are_refused(make, published, site):
    del site.files["/verbs.csv"]
    with pytest.raises(DownloadError, match="Or give them as a file: `--labels FILE`"):
        make(published)


@pytest.fixture
def own(card, tmp_path):
    """A checkpoint with two classes of its own, and a file of their names."""
    torch.manual_seed(0)
    network = zoo.build(dataclasses.replace(card, labels=("jump", "wave")))
    torch.save(network.state_dict(), tmp_path / "own.pth")
    (tmp_path / "own.txt").write_text("jump\nwave\n")
    return tmp_path / "own.pth", tmp_path / "own.txt"


def test_own_weights_have_their_own_classes_and_name(make, own, tmp_path):
    weights, labels = own
    made = make(weights, labels=labels, served_as="gestures")
    assert made == tmp_path / "store" / "gestures.mar"
    with zipfile.ZipFile(made) as opened:
        held = json.loads(opened.read("card.json"))
        manifest = json.loads(opened.read("MAR-INF/MANIFEST.json"))
    assert (held["name"], held["labels"]) == ("gestures", ["jump", "wave"])
    assert manifest["model"]["modelName"] == "gestures"
    (stored,) = contents(tmp_path / "store")
    assert (stored.name, stored.state) == ("gestures", State.CURRENT)


def test_own_classes_need_their_names(make, own, published):
    weights, _ = own
    with pytest.raises(WeightsError, match=r"is \[2, 256\] and must be \[3, 256\].*--labels FILE"):
        make(weights)


@pytest.mark.parametrize("name", ["", "a/b", "../up", "-x", "tsm-epic55-noun"])
def test_an_invalid_name_is_refused(make, own, name, tmp_path):
    weights, labels = own
    with pytest.raises(InvalidParameter, match="cannot be served as"):
        make(weights, labels=labels, served_as=name)
    assert not list(tmp_path.glob("store/*"))


def test_a_wrong_checksum_never_makes_an_archive(make, published, tmp_path):
    with pytest.raises(WeightsError, match="fails its checksum"):
        make(published, sha256="0" * 64)
    assert not list(tmp_path.glob("store/*"))


def test_a_broken_download_never_makes_an_archive(make, published, site, tmp_path):
    site.cuts = [len(site.files["/verbs.csv"]), *[1000] * 10]
    with pytest.raises(DownloadError, match="attempts failed"):
        make(published)
    assert not list(tmp_path.glob("store/*"))


def test_another_networks_checkpoint_is_refused(make, published, tmp_path):
    other = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, other)
    with pytest.raises(WeightsError, match=r"doesn't fit the network.* missing"):
        make(other)
    assert not list(tmp_path.glob("store/*"))


def test_an_unknown_model_is_refused(tmp_path, card):
    with pytest.raises(UnknownModel, match="tsm-epic55-verb"):
        archive("tsm-epic55-verbs", store=tmp_path)
