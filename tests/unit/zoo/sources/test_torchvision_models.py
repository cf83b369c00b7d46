"""torchvision's video classifiers: their input, published weights, and weights of one's own."""

import functools
import hashlib
import io
from types import SimpleNamespace

import pytest
import torch
from tests.frames import blocks

import videovisual
from videovisual.errors import MissingExtra, UnknownModel, WeightsError
from videovisual.zoo import transform
from videovisual.zoo.sources import torchvision_models
from videovisual.zoo.sources.torchvision_models import CLIPS, Clip

NAME = "mc3_18"


@pytest.fixture
def models(torchvision):
    return torchvision.models


def random_network(models, classes):
    torch.manual_seed(2)
    return models.get_model(NAME, num_classes=classes).eval()


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_there_is_each_video_classifier_of_torchvision(models):
    assert set(CLIPS) == set(models.list_models(module=models.video))


@pytest.mark.parametrize("name", CLIPS)
def test_the_transform_is_that_of_the_weights(models, name):
    published = models.get_model_weights(name).DEFAULT
    frames = blocks(2, 150, 270, seed=4)
    ours = transform.prepare(torchvision_models._input(name, published), frames)
    theirs = published.transforms()(torch.from_numpy(frames).permute(0, 3, 1, 2))
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("name", CLIPS)
def test_the_sampling_is_that_of_the_weights_evaluation(torchvision, name):
    told = torchvision.models.get_model_weights(name).DEFAULT.meta["_docs"]
    assert f"`clip_len={CLIPS[name].frames}`" in told
    assert f"`frame_rate={CLIPS[name].fps:g}`" in told


@pytest.fixture
def published(models, site, monkeypatch, tmp_path):
    """The network whose weights a loopback server publishes; its clips are small and short."""
    monkeypatch.setitem(CLIPS, NAME, Clip(2, 15))
    monkeypatch.setenv("VIDEOVISUAL_CACHE", str(tmp_path / "cache"))
    network = random_network(models, 400)
    content = saved(network.state_dict())
    path = f"/{NAME}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    site.files = {path: content}
    real = models.get_model_weights(NAME).DEFAULT
    small = functools.partial(real.transforms, crop_size=(32, 32), resize_size=(36, 40))
    default = {"url": site.url + path, "meta": real.meta, "name": real.name, "transforms": small}
    weights = SimpleNamespace(DEFAULT=SimpleNamespace(**default))
    monkeypatch.setattr(models, "get_model_weights", lambda _: weights)
    return network


def test_the_published_weights(published, site):
    loaded = videovisual.load(f"torchvision:{NAME}")
    card = loaded.card
    assert (card.name, len(card.labels)) == (f"torchvision:{NAME}", 400)
    assert card.accuracy == "top-1 63.96, top-5 84.13"
    assert (card.weights.licence, card.weights.verified) == ("BSD-3-Clause", "first use")
    assert card.weights.sha256 == loaded.weights_sha256[:8]
    clip = loaded.prepare(blocks(2, 130, 180))[None]
    with torch.inference_mode():
        assert torch.allclose(loaded.logits(clip), published(clip), atol=1e-5)
    (path,) = site.files
    site.files[path] = site.files[path][:-1]
    videovisual.load(f"torchvision:{NAME}")
    assert [status for *_, status in site.requests] == [200]


def test_other_bytes_than_the_published_are_refused(published, site):
    (path,) = site.files
    site.files[path] = site.files[path][:-1]
    with pytest.raises(WeightsError, match="fails its checksum"):
        videovisual.load(f"torchvision:{NAME}")


@pytest.mark.usefixtures("published")
def test_own_weights_and_classes(models, tmp_path):
    mine = random_network(models, 3)
    (tmp_path / "mine.pth").write_bytes(saved({"model": mine.state_dict(), "epoch": 1}))
    (tmp_path / "mine.txt").write_text("jump\nwave\nbow\n", "utf-8")
    name = f"torchvision:{NAME}"
    loaded = videovisual.load(name, tmp_path / "mine.pth", labels=tmp_path / "mine.txt")
    assert loaded.card.labels == ("jump", "wave", "bow")
    assert (loaded.card.name, loaded.card.base) == (f"{name}-own", name)
    assert loaded.card.accuracy == "not known: own weights"
    clip = loaded.prepare(blocks(2, 130, 180))[None]
    with torch.inference_mode():
        assert torch.allclose(loaded.logits(clip), mine(clip), atol=1e-5)
    with pytest.raises(WeightsError, match=r"fc\.weight is \[3, 512\] and must be \[400, 512\]"):
        videovisual.load(name, tmp_path / "mine.pth")


def test_another_name_is_refused(models):
    with pytest.raises(UnknownModel, match=r"'swin3d_x'\. Nearest: swin3d_t"):
        videovisual.load("torchvision:swin3d_x")


def test_a_torchvision_of_another_torch_is_told(monkeypatch, models):
    def broken(name):
        raise RuntimeError(f"operator {name}::nms does not exist\nmore")

    importing = SimpleNamespace(import_module=broken)
    monkeypatch.setattr("videovisual.zoo.sources.extra.importlib", importing)
    with pytest.raises(MissingExtra, match=r"doesn't go with .*nms does not exist\. Install"):
        videovisual.load(f"torchvision:{NAME}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t"])
def test_each_architecture_answers(torchvision, name):
    network = torchvision.models.get_model(name, num_classes=3)
    labels = ["jump", "wave", "bow"]
    loaded = videovisual.load(f"torchvision:{name}", network.state_dict(), labels=labels)
    answer = videovisual.classify(loaded, blocks(loaded.card.input.frames, 130, 180))
    assert {each.label for each in answer.predictions} == set(labels)
