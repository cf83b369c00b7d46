"""The 18-layer video ResNets R3D, MC3 and R(2+1)D.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018,
https://arxiv.org/abs/1711.11248. The state-dict keys are those of torchvision's `VideoResNet`, so
torchvision's published files load unchanged.
"""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard, read_labels
from videovisual.zoo.layout import initialise

WIDTH = 64
STEM_MID = 45

Convolution = Callable[[int, int, int, int], nn.Module]
"""(channels in, channels out, mid-plane channels, stride) → a convolution over 3 × 3 × 3 cells."""


def full(channels_in: int, channels_out: int, _mid: int, stride: int) -> nn.Module:
    """A convolution over space and time."""
    return nn.Conv3d(channels_in, channels_out, 3, stride, padding=1, bias=False)


def spatial(channels_in: int, channels_out: int, _mid: int, stride: int) -> nn.Module:
    """A convolution over space; it keeps the number of frames and doesn't mix them."""
    return nn.Conv3d(
        channels_in, channels_out, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False
    )


def factored(channels_in: int, channels_out: int, mid: int, stride: int) -> nn.Module:
    """The (2+1)D convolution: space, then time."""
    return nn.Sequential(
        spatial(channels_in, mid, 0, stride),
        nn.BatchNorm3d(mid),
        nn.ReLU(),
        nn.Conv3d(mid, channels_out, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
    )


LAYERS: Mapping[str, tuple[Convolution, Convolution, Convolution, Convolution]] = {
    "r3d": (full, full, full, full),
    "mc3": (full, spatial, spatial, spatial),
    "r2plus1d": (factored, factored, factored, factored),
}


def mid_planes(channels_in: int, channels_out: int) -> int:
    """Mid-plane channels for which a (2+1)D convolution has as many parameters as a 3-D one."""
    return (channels_in * channels_out * 27) // (channels_in * 9 + channels_out * 3)


class BasicBlock(nn.Module):
    """Two convolutions and a residual connection."""

    def __init__(
        self, channels_in: int, channels_out: int, convolution: Convolution, stride: int
    ) -> None:
        super().__init__()
        mid = mid_planes(channels_in, channels_out)
        self.conv1 = nn.Sequential(
            convolution(channels_in, channels_out, mid, stride),
            nn.BatchNorm3d(channels_out),
            nn.ReLU(),
        )
        self.conv2 = nn.Sequential(
            convolution(channels_out, channels_out, mid, 1), nn.BatchNorm3d(channels_out)
        )
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            time_stride = 1 if convolution is spatial else stride
            strides = (time_stride, stride, stride)
            self.downsample = nn.Sequential(
                nn.Conv3d(channels_in, channels_out, 1, strides, bias=False),
                nn.BatchNorm3d(channels_out),
            )
        self.relu = nn.ReLU()

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """[N, channels_in, T, H, W] → [N, channels_out, T', H', W']."""
        total: torch.Tensor = self.relu(self.conv2(self.conv1(clips)) + self.downsample(clips))
        return total


class VideoResNet(nn.Module):
    """R3D-18, MC3-18 or R(2+1)D-18.

    Args:
        family: `r3d`, `mc3` or `r2plus1d`.
        classes: number of logits.
        width: channels of the first layer (published: 64); the other layers scale with it.
    """

    fewest_frames = 8

    def __init__(self, family: str, classes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.stem = _stem(family, width)
        channels = [width, width, 2 * width, 4 * width, 8 * width]
        for number, convolution in enumerate(LAYERS[family], start=1):
            before, after = channels[number - 1], channels[number]
            layer = nn.Sequential(
                BasicBlock(before, after, convolution, stride=1 if number == 1 else 2),
                BasicBlock(after, after, convolution, stride=1),
            )
            self.add_module(f"layer{number}", layer)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(channels[-1], classes)
        initialise(self)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, T, H, W] → logits float32 [N, classes]."""
        features = self.stem(clips)
        for name in ("layer1", "layer2", "layer3", "layer4"):
            features = self.get_submodule(name)(features)
        logits: torch.Tensor = self.fc(self.avgpool(features).flatten(1))
        return logits


def _stem(family: str, width: int) -> nn.Sequential:
    if family != "r2plus1d":
        first = nn.Conv3d(3, width, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False)
        return nn.Sequential(first, nn.BatchNorm3d(width), nn.ReLU())
    mid = max(1, STEM_MID * width // WIDTH)
    return nn.Sequential(
        nn.Conv3d(3, mid, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
        nn.BatchNorm3d(mid),
        nn.ReLU(),
        nn.Conv3d(mid, width, (3, 1, 1), padding=(1, 0, 0), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(),
    )


def build(card: ModelCard) -> nn.Module:
    """The card's network with random weights; `card.options` may hold `width`."""
    return VideoResNet(card.family, len(card.labels), **card.options)


def adapt(card: ModelCard, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """torchvision's entries, which are the network's own."""
    return dict(state)


KINETICS = InputSpec(
    frames=16,
    fps=15,
    resize=(128, 171),
    size=112,
    mean=(0.43216, 0.394666, 0.37645),
    std=(0.22803, 0.22145, 0.216989),
)


def _kinetics_card(family: str, title: str, file: str, accuracy: str) -> ModelCard:
    return ModelCard(
        name=f"{family}-kinetics400",
        family=family,
        title=f"{title}, Kinetics-400",
        labels=read_labels("kinetics400"),
        input=KINETICS,
        cam_layer="layer4",
        blur_sigma=10.0,
        weights=WeightsCard(
            source=f"https://download.pytorch.org/models/{file}",
            size=None,
            sha256=file.rpartition("-")[2].removesuffix(".pth"),
            licence="BSD-3-Clause",
            origin="torchvision, KINETICS400_V1",
        ),
        accuracy=accuracy,
        # As in torchvision's evaluation of these weights.
        view_average="probabilities",
    )


CARDS = (
    _kinetics_card("r3d", "R3D-18", "r3d_18-b3b3357e.pth", "top-1 63.2, top-5 83.5"),
    _kinetics_card("mc3", "MC3-18", "mc3_18-a90a0ba3.pth", "top-1 63.96, top-5 84.13"),
    _kinetics_card(
        "r2plus1d", "R(2+1)D-18", "r2plus1d_18-91a641e6.pth", "top-1 67.46, top-5 86.18"
    ),
)
