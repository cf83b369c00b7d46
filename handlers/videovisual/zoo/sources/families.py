"""The families of video classifiers that transformers has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HALF = (0.5, 0.5, 0.5)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Family:
    """A family of networks.

    Attributes:
        title: of the network.
        network, config: names of its classes in transformers.
        argument: of `forward`, that takes the clips.
        frames, size: keys of `config.json` with the frames and the side of the input.
        any_frames: whether a network takes other numbers of frames than its own.
        processor: what its image processor takes for keys that a preprocessor's file leaves out.
        resize: short side of the resized frames over that of the crop, where the family's
            processor computes it; None where the file says it.
    """

    title: str
    network: str
    config: str
    argument: str
    frames: str
    size: str
    any_frames: bool
    processor: Mapping[str, Any]
    resize: float | None = None


def _processor(mean: Any, std: Any, **others: Any) -> Mapping[str, Any]:
    common = {
        "do_resize": True,
        "do_center_crop": True,
        "do_rescale": True,
        "do_normalize": True,
        "size": {"shortest_edge": 224},
        "crop_size": {"height": 224, "width": 224},
        "resample": 2,
        "rescale_factor": 1 / 255,
        "offset": False,
        "image_mean": mean,
        "image_std": std,
    }
    return common | others


FAMILIES: Mapping[str, Family] = {
    "videomae": Family(
        title="VideoMAE",
        network="VideoMAEForVideoClassification",
        config="VideoMAEConfig",
        argument="pixel_values",
        frames="num_frames",
        size="image_size",
        any_frames=False,
        processor=_processor(HALF, HALF),
    ),
    "timesformer": Family(
        title="TimeSformer",
        network="TimesformerForVideoClassification",
        config="TimesformerConfig",
        argument="pixel_values",
        frames="num_frames",
        size="image_size",
        any_frames=True,
        processor=_processor(*IMAGENET),
    ),
    "vivit": Family(
        title="ViViT",
        network="VivitForVideoClassification",
        config="VivitConfig",
        argument="pixel_values",
        frames="num_frames",
        size="image_size",
        any_frames=False,
        processor=_processor(
            HALF, HALF, size={"shortest_edge": 256}, rescale_factor=1 / 127.5, offset=True
        ),
    ),
    "vjepa2": Family(
        title="V-JEPA 2",
        network="VJEPA2ForVideoClassification",
        config="VJEPA2Config",
        argument="pixel_values_videos",
        frames="frames_per_clip",
        size="crop_size",
        any_frames=True,
        processor=_processor(*IMAGENET, crop_size={"height": 256, "width": 256}),
        resize=256 / 224,
    ),
}
"""By `model_type` of `config.json`."""
