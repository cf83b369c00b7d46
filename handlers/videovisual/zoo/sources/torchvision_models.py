"""The video classifiers of torchvision."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from videovisual.errors import UnknownModel
from videovisual.utils.suggest import did_you_mean, nearest
from videovisual.utils.text import shown
from videovisual.zoo.card import InputSpec, WeightsCard
from videovisual.zoo.classifier import Classifier
from videovisual.zoo.layout import Labels, Weights, fit, narrow_dtype
from videovisual.zoo.parts import part_of
from videovisual.zoo.sources.extra import imported
from videovisual.zoo.sources.own import read_labels, read_weights
from videovisual.zoo.weights_io.cache import fetch

PREFIX = "torchvision:"


@dataclass(frozen=True)
class Clip:
    """How the clips are sampled with which the published accuracy was measured.

    Attributes:
        frames: of a clip.
        fps: frames per second.
        multiple: of which a number of frames must be.
        fixed: whether the network takes no other number of frames.
    """

    frames: int
    fps: float
    multiple: int = 1
    fixed: bool = False


CLIPS: Mapping[str, Clip] = {
    "r3d_18": Clip(16, 15),
    "mc3_18": Clip(16, 15),
    "r2plus1d_18": Clip(16, 15),
    "s3d": Clip(128, 15, multiple=16),
    "mvit_v1_b": Clip(16, 7.5, fixed=True),
    "mvit_v2_s": Clip(16, 7.5, fixed=True),
    "swin3d_t": Clip(32, 15, multiple=2),
    "swin3d_s": Clip(32, 15, multiple=2),
    "swin3d_b": Clip(32, 15, multiple=2),
}
"""By torchvision's name, from the descriptions of its weights."""


def load_torchvision(
    name: str, weights: Weights | None = None, labels: Labels | None = None
) -> Classifier:
    """A video classifier of torchvision.

    Args:
        name: `torchvision:` and one of `CLIPS`.
        weights: a checkpoint of the user's own; None takes the published weights.
        labels: its class names, for which the network gets a head of as many classes.

    Raises:
        UnknownModel: torchvision has no such video classifier.
        MissingExtra: torchvision is not installed.
        WeightsError: the weights don't fit, or fail their checksum.
        DownloadError: the weights can't be downloaded.
    """
    model = name.removeprefix(PREFIX)
    if model not in CLIPS:
        raise UnknownModel(
            f"torchvision has no video classifier {shown(model)!r}.{did_you_mean(model, CLIPS)} "
            f"There are {', '.join(CLIPS)}.",
            model=shown(name),
            nearest=nearest(model, CLIPS),
        )
    models = imported("torchvision.models", "torchvision")
    published = models.get_model_weights(model).DEFAULT
    names = tuple(published.meta["categories"]) if labels is None else read_labels(labels)
    source = _card(published)
    module = models.get_model(model, num_classes=len(names))
    held = read_weights(fetch(source.source, source.sha256) if weights is None else weights)
    fit(module, part_of(module.state_dict(), held.state))
    made = Classifier.from_module(
        module, names, _input(model, published), name=name, licence=source.licence
    )
    accuracy = published.meta["_metrics"]["Kinetics-400"]
    card = dataclasses.replace(
        made.card,
        title=f"{type(module).__name__} {model}, Kinetics-400",
        weights=source,
        accuracy=f"top-1 {accuracy['acc@1']:g}, top-5 {accuracy['acc@5']:g}",
        view_average="probabilities",
    )
    if not card.is_published(held.sha256, relabelled=labels is not None):
        card = card.with_own_weights(f"{name}-own", held.source, held.sha256)
    return Classifier(card, made.network, held.sha256, narrow_dtype(held.state))


def _card(published: Any) -> WeightsCard:
    return WeightsCard(
        source=published.url,
        size=None,
        sha256=published.url.rpartition("-")[2].removesuffix(".pth"),
        licence="BSD-3-Clause",
        origin=f"torchvision, {published.name}",
    )


def _input(model: str, published: Any) -> InputSpec:
    clip, transform = CLIPS[model], published.transforms()
    resize = tuple(transform.resize_size)
    return InputSpec(
        frames=clip.frames,
        size=transform.crop_size[0],
        resize=resize[0] if len(resize) == 1 else resize,
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        fps=clip.fps,
        max_frames=clip.frames if clip.fixed else max(64, clip.frames),
        frame_multiple=clip.frames if clip.fixed else clip.multiple,
    )
