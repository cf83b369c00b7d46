"""TSM ResNet: a ResNet whose residual branches also see the next and the previous frame.

Lin, Gan, Han, "TSM: Temporal Shift Module for Efficient Video Understanding", ICCV 2019,
https://arxiv.org/abs/1811.08383; the ResNet of He et al., https://arxiv.org/abs/1512.03385.
Kernels are one frame deep, but every module maps [N, C, T, H, W] to [N, C', T, H', W'], so hooks
read video features at every layer.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.errors import WeightsError
from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard, read_labels
from videovisual.zoo.layout import initialise, some

WIDTH = 64
EXPANSION = 4
RESNET50 = (3, 4, 6, 3)
SHIFT_DIV = 8


class TemporalShift(nn.Module):
    """Shifts an eighth of the channels a frame back and an eighth forward, padding with zeros."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """[N, C, T, H, W] → the same shape."""
        fold = clips.shape[1] // SHIFT_DIV
        from_next = F.pad(clips[:, :fold, 1:], (0, 0, 0, 0, 0, 1))
        from_last = F.pad(clips[:, fold : 2 * fold, :-1], (0, 0, 0, 0, 1, 0))
        return torch.cat((from_next, from_last, clips[:, 2 * fold :]), dim=1)


def _convolution(channels_in: int, channels_out: int, size: int, stride: int = 1) -> nn.Conv3d:
    pad = size // 2
    return nn.Conv3d(
        channels_in, channels_out, (1, size, size), (1, stride, stride), (0, pad, pad), bias=False
    )


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3 and 1 × 1 convolutions of shifted features, and an unshifted residual."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        channels_out = channels * EXPANSION
        self.shift = TemporalShift()
        self.conv1 = _convolution(channels_in, channels, 1)
        self.bn1 = nn.BatchNorm3d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = _convolution(channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm3d(channels)
        self.relu2 = nn.ReLU()
        self.conv3 = _convolution(channels, channels_out, 1)
        self.bn3 = nn.BatchNorm3d(channels_out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                _convolution(channels_in, channels_out, 1, stride), nn.BatchNorm3d(channels_out)
            )
        self.relu3 = nn.ReLU()

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """[N, channels_in, T, H, W] → [N, 4 * channels, T, H / stride, W / stride]."""
        branch = self.relu1(self.bn1(self.conv1(self.shift(clips))))
        branch = self.relu2(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))
        total: torch.Tensor = self.relu3(branch + self.downsample(clips))
        return total


class TemporalShiftResNet(nn.Module):
    """TSM ResNet of bottleneck blocks, ResNet-50 as published.

    Args:
        classes: number of logits.
        width: channels of the first convolution (published: 64); the others scale with it.
        blocks: number of blocks in each of the four layers.
    """

    def __init__(self, classes: int, width: int = WIDTH, blocks: Sequence[int] = RESNET50) -> None:
        super().__init__()
        self.conv1 = _convolution(3, width, 7, stride=2)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        before = width
        for number, count in enumerate(blocks):
            layer = nn.Sequential()
            for block in range(count):
                stride = 2 if number and not block else 1
                layer.append(Bottleneck(before, width << number, stride))
                before = (width << number) * EXPANSION
            self.add_module(f"layer{number + 1}", layer)
        self.avgpool = nn.AdaptiveAvgPool3d((None, 1, 1))
        self.fc = nn.Linear(before, classes)
        initialise(self)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, T, H, W] → logits float32 [N, classes], averaged over the frames."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(clips))))
        for name in ("layer1", "layer2", "layer3", "layer4"):
            features = self.get_submodule(name)(features)
        frames = self.avgpool(features).flatten(2).transpose(1, 2)
        logits: torch.Tensor = self.fc(frames).mean(dim=1)
        return logits


def build(card: ModelCard) -> nn.Module:
    """The card's network with random weights; `card.options` may hold `width` and `blocks`."""
    options = {key: value for key, value in card.options.items() if key != "head"}
    return TemporalShiftResNet(len(card.labels), **options)


def adapt(card: ModelCard, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convert the authors' entries, which have 2-D kernels, or the network's own.

    Raises:
        WeightsError: the checkpoint lacks the card's head (`card.options["head"]`).
    """
    if not any(key.startswith("base_model.") for key in state):
        return dict(state)
    head = card.options.get("head", "new_fc")
    heads = [key.removesuffix(".weight") for key in state if "fc" in key and "weight" in key]
    if head not in heads:
        raise WeightsError(
            f"The checkpoint has no head {head!r}, which {card.name} needs; it has: {some(heads)}. "
            "Give a checkpoint of this model.",
            head=head,
            heads=heads,
        )
    adapted = {}
    for key, tensor in state.items():
        name, _, leaf = key.rpartition(".")
        if name == head:
            adapted[f"fc.{leaf}"] = tensor
        elif name not in heads:
            own = key.removeprefix("base_model.").replace(".conv1.net.", ".conv1.")
            adapted[own] = tensor.unsqueeze(2) if tensor.ndim == 4 else tensor
    return adapted


def _spec(fps: float | None) -> InputSpec:
    return InputSpec(
        frames=8,
        fps=fps,
        resize=256,
        size=224,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        antialias=True,
    )


def _epic_card(kind: str, classes: int, accuracy: float) -> ModelCard:
    return ModelCard(
        name=f"tsm-epic55-{kind}",
        family="tsm",
        title=f"TSM ResNet-50, EPIC-Kitchens-55 {kind}s",
        labels=tuple(f"{kind} {index}" for index in range(classes)),
        input=_spec(fps=None),
        cam_layer="layer4",
        blur_sigma=20.0,
        weights=WeightsCard(
            source="https://data.bris.ac.uk/datasets/2tw6gdvmfj3f12papdy24flvmo/"
            "TSM_arch=resnet50_modality=RGB_segments=8-cfc93918.pth.tar",
            size=None,
            sha256="cfc93918",
            licence="non-commercial, as EPIC-Kitchens",
            origin="the EPIC-Kitchens authors' action models, RGB, 8 segments",
        ),
        accuracy=f"top-1 {accuracy} (seen kitchens)",
        options={"head": f"fc_{kind}"},
    )


CARDS = (
    ModelCard(
        name="tsm-kinetics400",
        family="tsm",
        title="TSM ResNet-50, Kinetics-400",
        labels=read_labels("kinetics400"),
        input=_spec(fps=30 / 8),
        cam_layer="layer4",
        blur_sigma=20.0,
        weights=WeightsCard(
            source="https://hanlab18.mit.edu/projects/tsm/models/"
            "TSM_kinetics_RGB_resnet50_shift8_blockres_avg_segment8_e100_dense.pth",
            size=None,
            sha256=None,
            licence="MIT",
            origin="the TSM authors, MIT Han Lab",
        ),
        accuracy="top-1 74.1 (8 × 10 clips)",
    ),
    _epic_card("verb", 125, 57.9),
    _epic_card("noun", 352, 40.8),
)
