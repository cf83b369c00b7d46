"""Small versions of seven architectures, trained on the synthetic data set Motion.

They are fast on a CPU, and Motion's evidence masks are known, so they serve for tests, for
measuring explanations and for a first try. They ship with the package; `videovisual train-motion`
trains them.
"""

from typing import Any

from videovisual.motion import FRAMES, LABELS, SIDE
from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard

SHA256 = {
    "i3d": "3b533f763f7a6a4373bd47fa6dc60200e9052bcd17e1e38ae3316590d94ee830",
    "r2plus1d": "191da50588c8ac53203076fe79951f8cf71960acdd4b7fb364e20a376965adf1",
    "r3d": "824d69969a899769e3e483af34de8e6a18288eab37d31a022459ea455995b643",
    "mc3": "4a88b279ab7d125b268e851072c72c89af3314c281271a4ff67a68789379aeff",
    "tsm": "c5e9389c9e7cf092f8a220dbc8e7f127fd159e7219779d9369e205dc9ea31621",
    "videomae": "ef01bc3001a195276e4f940ef514c5e0d50e1eb52ac3f0dae75ffe1905eaf216",
    "swin3d": "19e26a5ed5ac8917210a0433b22db665db91156788d66467acc0076f9a606d6c",
}


def _card(
    family: str,
    title: str,
    accuracy: float,
    size: int,
    *,
    cam_layer: str = "layer3",
    frames: int = FRAMES,
    **options: Any,
) -> ModelCard:
    return ModelCard(
        name=f"{family}-motion",
        family=family,
        title=f"{title}, small, Motion",
        labels=LABELS,
        input=InputSpec(
            frames=frames,
            fps=None,
            resize=SIDE,
            size=SIDE,
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            min_frames=8,
            max_frames=FRAMES,
            frame_multiple=8,
        ),
        cam_layer=cam_layer,
        blur_sigma=8.0,
        weights=WeightsCard(
            source=f"package:{family}-motion.safetensors",
            size=size,
            sha256=SHA256[family],
            licence="Apache-2.0",
            origin="this project, videovisual.motion.training",
        ),
        accuracy=f"top-1 {accuracy} (500 held-out clips of Motion)",
        options=options,
        made_for="Motion",
    )


CARDS = (
    _card("i3d", "I3D", 97.8, 3_191_040, cam_layer="mixed_3c", width=0.25),
    _card("r2plus1d", "R(2+1)D-18", 99.2, 2_002_684, width=8),
    _card("r3d", "R3D-18", 100.0, 2_107_864, width=8),
    _card("mc3", "MC3-18", 97.0, 753_032, width=8),
    _card(
        "tsm",
        "TSM ResNet",
        99.0,
        894_848,
        cam_layer="layer2",
        frames=8,
        width=16,
        blocks=(1, 2, 2, 0),
    ),
    _card(
        "videomae",
        "VideoMAE's ViT, convolutional stem",
        97.6,
        1_959_744,
        cam_layer="blocks.3",
        frames=8,
        width=96,
        depth=4,
        heads=3,
        tubelet=(2, 8, 8),
        stem=(16, 32),
    ),
    _card(
        "swin3d",
        "Video Swin, convolutional stem",
        99.4,
        1_567_960,
        cam_layer="features.2.0",
        frames=8,
        width=40,
        blocks=(2, 4),
        heads=(2, 4),
        window=(4, 4, 4),
        stem=(16, 32),
    ),
)
