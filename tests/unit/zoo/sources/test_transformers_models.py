"""Networks of transformers from a folder and from a Hub: their cards, logits and explanations."""

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.frames import blocks
from tests.unit.zoo.hub import COMMIT

import videovisual
from videovisual import zoo
from videovisual.errors import InvalidParameter, MissingExtra, WeightsError
from videovisual.utils.cache_folder import default_cache
from videovisual.utils.digest import file_sha256
from videovisual.zoo.sources.licence import licence as read_licence
from videovisual_archive import archive
from videovisual_client.local import Local

from .conftest import FAMILIES, FRAMES, LABELS, SIDE

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
WEIGHTS = "model.safetensors"
INPUTS = {
    # mean and std, range of values, short side, most frames, multiple
    "videomae": (HALF, (0, 1), 40, FRAMES, FRAMES),
    "timesformer": (HALF, (0, 1), 40, 64, 1),
    "vivit": (HALF, (-1, 1), 40, FRAMES, FRAMES),
    "vjepa2": (IMAGENET, (0, 1), 36, 64, 2),
}


def edit(path, **changes):
    held = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**held, **changes}), "utf-8")


def theirs(family, net, made, frames):
    """Logits of transformers' own processor and network."""
    pixels = made(list(frames), return_tensors="pt")
    with torch.inference_mode():
        return net(**pixels).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_the_card(saved, family):
    classifier = videovisual.load(str(saved(family)))
    (mean, std), values, resize, most, multiple = INPUTS[family]
    spec, card = classifier.card.input, classifier.card
    assert (card.name, card.labels, card.scores) == (f"tiny-{family}", LABELS, "softmax")
    assert (spec.frames, spec.size, spec.resize) == (FRAMES, SIDE, resize)
    assert (spec.mean, spec.std) == (mean, std)
    assert spec.value_range == pytest.approx(values)
    assert (spec.max_frames, spec.frame_multiple, spec.fps) == (most, multiple, None)
    assert card.weights.licence == "not known"
    assert classifier.weights_sha256 == file_sha256(saved(family) / WEIGHTS)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_logits_are_those_of_transformers(saved, network, processor, family):
    """The crop's size is the frames', so that neither resizes: every pixel is the same."""
    frames = blocks(FRAMES, INPUTS[family][2], INPUTS[family][2], seed=3)
    classifier = videovisual.load(str(saved(family)))
    ours = classifier.logits(classifier.prepare(frames)[None])
    expected = theirs(family, network(family), processor(family), frames)
    assert torch.allclose(ours, expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_resized_frames_differ_by_rounding_alone(saved, processor, family):
    frames = blocks(FRAMES, 96, 144, seed=3)
    classifier = videovisual.load(str(saved(family)))
    ours = classifier.prepare(frames)
    (expected,) = processor(family)(list(frames), return_tensors="pt").values()
    spec = classifier.card.input
    level = (spec.value_range[1] - spec.value_range[0]) / 255 / min(spec.std)
    off = (ours - torch.as_tensor(np.asarray(expected[0])).transpose(0, 1)).abs() / level
    assert off.max() < 1.01
    assert off.mean() < 0.3


@pytest.mark.parametrize("method", ["gradient", "ep_3d"])
@pytest.mark.parametrize("family", FAMILIES)
def test_classified_and_explained(saved, family, method):
    classifier = videovisual.load(str(saved(family)))
    frames = blocks(FRAMES, 40, 60)
    assert videovisual.classify(classifier, frames).predictions[0].label in LABELS
    options = {"iterations": 2} if method == "ep_3d" else {}
    saliency = videovisual.explain(classifier, frames, method=method, **options)
    assert saliency.map.shape == (FRAMES, SIDE, SIDE)
    assert np.isfinite(saliency.map).all()
    assert saliency.map.max() > 0


def test_an_archive_answers_as_the_folder_does(saved, tmp_path):
    path = archive(str(saved("videomae")), served_as="mine", store=tmp_path)
    assert path == tmp_path / "mine.mar"
    folder, archived = zoo.load(str(saved("videomae"))), zoo.load(str(path))
    clip = folder.prepare(blocks(FRAMES, 40, 48))[None]
    assert torch.equal(archived.logits(clip), folder.logits(clip))
    assert archived.card.weights.licence == folder.card.weights.licence
    with pytest.raises(InvalidParameter, match="needs a name"):
        archive(str(saved("videomae")), store=tmp_path)


def test_local_answers_with_a_folder_s_model(saved):
    with Local() as client:
        answer = client.classify(blocks(FRAMES, 40, 60), model=str(saved("videomae")))
    assert answer.predictions[0].label in LABELS


def test_several_labels_are_told_by_the_problem_type(folder):
    edit(folder / "config.json", problem_type="multi_label_classification")
    assert videovisual.load(str(folder)).card.scores == "sigmoid"


def test_a_video_preprocessor_comes_first(folder):
    held = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
    text = json.dumps({**held, "image_mean": [0.1, 0.2, 0.3], "do_rescale": False})
    (folder / "video_preprocessor_config.json").write_text(text, "utf-8")
    spec = videovisual.load(str(folder)).card.input
    assert spec.mean == (0.1, 0.2, 0.3)
    assert spec.value_range == (0.0, 255.0)


@pytest.mark.parametrize(
    ("changes", "resize"),
    [
        ({"size": {"height": 32, "width": 32}, "do_center_crop": False}, (32, 32)),
        ({"size": {"height": 40, "width": 48}}, (40, 48)),
        ({"size": 36, "crop_size": 32}, 36),
    ],
)
def test_forms_of_sizes(folder, changes, resize):
    edit(folder / "preprocessor_config.json", **changes)
    spec = videovisual.load(str(folder)).card.input
    assert (spec.size, spec.resize) == (SIDE, resize)


REFUSED = {
    "another class": ("config.json", {"architectures": ["XCLIPModel"]}, r"XCLIPModel.*, not one"),
    "without a head": (
        "config.json",
        {"architectures": ["VideoMAEForPreTraining"]},
        "VideoMAEForPreTraining.*fine-tuned",
    ),
    "another family": ("config.json", {"model_type": "bert", "architectures": None}, "is bert"),
    "gaps in labels": ("config.json", {"id2label": {"0": "a", "2": "b"}}, "from 0.*labels=FILE"),
    "endless frames": ("config.json", {"num_frames": 10**9}, "`num_frames` is 1000000000, not a"),
    "a huge network": ("config.json", {"hidden_size": 2**16}, "of [0-9,]+ weights, and there are"),
    "odd heads": ("config.json", {"num_attention_heads": "two"}, "is not one of VideoMAE"),
    "heads that don't divide": ("config.json", {"num_attention_heads": 5}, "is not one of Video"),
    "another filter": ("preprocessor_config.json", {"resample": 0}, "filter 0; only 2"),
    "a strange mean": ("preprocessor_config.json", {"image_mean": "x"}, "`image_mean` is x, not"),
    "too small": ("preprocessor_config.json", {"size": {"shortest_edge": 8}}, "`size` is 8, not"),
}


@pytest.mark.parametrize(("file", "changes", "message"), REFUSED.values(), ids=REFUSED)
def test_repositories_that_are_refused(folder, file, changes, message):
    edit(folder / file, **changes)
    with pytest.raises(WeightsError, match=message):
        videovisual.load(str(folder))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("preprocessor_config.json", "save_pretrained"),
        (WEIGHTS, r"has no model\.safetensors, .*pytorch_model\.bin"),
    ],
)
def test_a_missing_file_is_named(folder, file, message):
    (folder / file).unlink()
    with pytest.raises(WeightsError, match=message):
        videovisual.load(str(folder))


def test_damaged_json_is_refused(folder):
    (folder / "config.json").write_text("[1", "utf-8")
    with pytest.raises(WeightsError, match="it is no JSON object"):
        videovisual.load(str(folder))


def test_code_of_a_repository_is_never_run(folder):
    (folder / "evil.py").write_text("raise SystemExit('run')", "utf-8")
    edit(
        folder / "config.json",
        auto_map={"AutoModelForVideoClassification": "evil.Net", "AutoConfig": "evil.Config"},
        attn_implementation="somebody/kernel",
        quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True},
    )
    assert videovisual.load(str(folder)).card.labels == LABELS


def test_a_checkpoint_of_pytorch_is_read_without_running_it(folder):
    state = load_file(folder / WEIGHTS)
    before = videovisual.load(str(folder))
    (folder / WEIGHTS).unlink()
    torch.save(state, folder / "pytorch_model.bin")
    loaded = videovisual.load(str(folder))
    assert loaded.weights_sha256 == file_sha256(folder / "pytorch_model.bin")
    clip = loaded.prepare(blocks(FRAMES, 40, 40))[None]
    assert torch.equal(loaded.logits(clip), before.logits(clip))
    torch.save(torch.nn.Linear(1, 1), folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="it was not run"):
        videovisual.load(str(folder))


def test_weights_in_several_files(folder):
    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    files = {key: f"part-{number % 2}.safetensors" for number, key in enumerate(sorted(state))}
    for name in set(files.values()):
        save_file({key: state[key] for key in state if files[key] == name}, folder / name)
    index = folder / f"{WEIGHTS}.index.json"
    index.write_text(json.dumps({"weight_map": files}), "utf-8")
    assert videovisual.load(str(folder)).card.labels == LABELS
    index.write_text(json.dumps({"weight_map": {"a": "../config.json"}}), "utf-8")
    with pytest.raises(WeightsError, match=r"has no file '\.\./config\.json'"):
        videovisual.load(str(folder))


def broken(change):
    def apply(state):
        key = "classifier.weight"
        return {**state, key: change(state[key])}

    return apply


STRANGE = {
    "missing": (
        lambda state: {key: state[key] for key in state if "layer.1.output" not in key},
        r"missing: videomae\.encoder\.layer\.1\.output",
    ),
    "other classes": (broken(lambda head: head[:2].clone()), r"labels=FILE"),
    "NaN": (broken(lambda head: head / 0), r"NaN or infinite"),
    "integers": (broken(lambda head: head.to(torch.int8)), r"classifier\.weight is int8"),
}


@pytest.mark.parametrize(("change", "message"), STRANGE.values(), ids=STRANGE)
def test_weights_that_do_not_fit_are_refused(folder, change, message):
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)
    with pytest.raises(WeightsError, match=message):
        videovisual.load(str(folder))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_weights_are_told(folder, dtype):
    state = load_file(folder / WEIGHTS)
    save_file({key: tensor.to(dtype) for key, tensor in state.items()}, folder / WEIGHTS)
    loaded = videovisual.load(str(folder))
    assert loaded.weights_dtype == str(dtype).removeprefix("torch.")
    assert {each.dtype for each in loaded.network.parameters()} == {torch.float32}


def test_own_weights_of_other_classes(saved, network, tmp_path):
    mine = network("videomae", id2label={0: "jump", 1: "wave"})
    state = {f"model.{key}": tensor for key, tensor in mine.state_dict().items()}
    lightning = {
        "state_dict": {**state, "loss.weight": torch.ones(2)},
        "pytorch-lightning_version": "2.5.0",
        "epoch": 3,
    }
    torch.save(lightning, tmp_path / "mine.ckpt")
    folder = str(saved("videomae"))
    loaded = videovisual.load(folder, tmp_path / "mine.ckpt", labels=["jump", "wave"])
    assert (loaded.card.name, loaded.card.labels) == ("tiny-videomae-own", ("jump", "wave"))
    assert loaded.card.weights.source == "mine.ckpt"
    clip = loaded.prepare(blocks(FRAMES, 40, 40))
    with torch.inference_mode():
        expected = mine(pixel_values=clip.transpose(0, 1)[None]).logits
    assert torch.allclose(loaded.logits(clip[None]), expected, atol=1e-5)
    with pytest.raises(WeightsError, match=r"\[2, 32\] and must be \[3, 32\].*labels=FILE"):
        videovisual.load(folder, tmp_path / "mine.ckpt")
    with pytest.raises(InvalidParameter, match="no list of class names"):
        videovisual.load(folder, tmp_path / "mine.ckpt", labels=["jump", 2])


NAME = "MCG-NJU/videomae-tiny"


def test_a_repository_of_the_hub(hub, saved):
    hub.put(NAME, saved("videomae"))
    sha256 = file_sha256(saved("videomae") / WEIGHTS)
    loaded = videovisual.load(f"hf:{NAME}")
    weights = loaded.card.weights
    assert loaded.card.name == f"hf:{NAME}"
    assert loaded.card.title == "VideoMAE, videomae-tiny"
    assert (weights.source, weights.sha256) == (f"hf:{NAME}@{COMMIT}", sha256)
    assert (weights.verified, weights.licence) == ("published", "CC-BY-NC-4.0")
    assert loaded.weights_sha256 == sha256
    assert videovisual.load(f"hf:{NAME}@{COMMIT}").weights_sha256 == sha256


def test_a_hub_that_publishes_no_checksum(hub, saved):
    hub.put(NAME, saved("videomae"))
    hub.published = False
    assert videovisual.load(f"hf:{NAME}").card.weights.verified == "first use"
    (cached,) = default_cache().rglob(WEIGHTS)
    cached.unlink()
    hub.files[NAME][WEIGHTS] = hub.files[NAME][WEIGHTS][:-4] + b"\0\0\0\0"
    with pytest.raises(WeightsError, match="has changed since its first use"):
        videovisual.load(f"hf:{NAME}")


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [video]\n---\n# Net", "Apache-2.0"),
        ("---\nlicense:\n- mit\n- cc-by-4.0\n---\n", "MIT and CC-BY-4.0"),
        ("---\nlicense: other\nlicense_name: own-terms\n---\n", "own-terms"),
        ("# Net\nlicense: mit", "CC-BY-NC-4.0"),
        ("---\nlicense: [\n---\n", "CC-BY-NC-4.0"),
    ],
)
def test_the_licence_of_the_readme(tmp_path, readme, licence):
    (tmp_path / "README.md").write_text(readme, "utf-8")
    assert read_licence(NAME, tmp_path / "README.md") == licence
    assert read_licence("somebody/net", None) == "not known"


def test_the_extra_is_named_where_transformers_is_missing(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"\[hf\]"):
        videovisual.load(str(folder))
