"""Small networks that programs are made of."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from videovisual import Classifier, InputSpec

LABELS = ("left", "right", "up")
SPEC = InputSpec(frames=8, size=16)


class Block(nn.Module):
    """A residual block whose ReLU works in place, as torchvision's do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm3d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.bn(self.conv(x))) + x


class Convolutional(nn.Module):
    """Convolutions, batch norm, max pooling, one module called twice, frames shifted in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 8, 3, stride=(1, 2, 2), padding=1)
        self.layers = nn.Sequential(Block(8), Block(8))
        self.pool = nn.MaxPool3d((1, 2, 2))
        self.fc = nn.Linear(8, len(LABELS))
        for norm in (self.layers[0].bn, self.layers[1].bn):
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.normal_(norm.running_mean)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(self.layers(self.stem(x)))
        shifted = torch.zeros_like(x)
        shifted[:, :, 1:] = x[:, :, :-1]
        x = self.pool(x + shifted)
        return self.fc(x.mean(dim=(2, 3, 4)))


class Attention(nn.Module):
    """Tokens of patches, one attention block, a dictionary as answer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv3d(3, 16, (2, 4, 4), (2, 4, 4))
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(16, 48)
        self.place = nn.Parameter(torch.randn(1, 64, 16))
        self.head = nn.Linear(16, len(LABELS))

    def forward(self, clips: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.embed(clips).flatten(2).transpose(1, 2) + self.place
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        heads = [each.view(x.shape[0], -1, 2, 8).transpose(1, 2) for each in (q, k, v)]
        mixed = F.scaled_dot_product_attention(*heads)
        x = x + mixed.transpose(1, 2).reshape(x.shape[0], -1, 16)
        with torch.no_grad():
            scale = x.abs().amax()
        return {"logits": self.head(x.mean(dim=1) / scale), "tokens": x}


class Bytes(nn.Module):
    """Insists on uint8 frames, [N, T, H, W, 3], and takes a view of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Conv3d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, len(LABELS))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        assert frames.dtype == torch.uint8
        bright = frames.view(frames.shape[0], -1).int().float().mean(dim=1)
        x = frames.permute(0, 4, 1, 2, 3).float().div_(255.0)
        return self.fc(self.stage(x).relu().mean(dim=(2, 3, 4))) + bright[:, None] / 255


class Decides(nn.Module):
    """Decides by a value, which no program can."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, len(LABELS))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        x = clips.mean(dim=(2, 3, 4))
        return self.fc(x if x.sum() > 0 else -x)


class Counts(nn.Module):
    """Makes a Python number of the count of clips, which no exported shape then has."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.reshape(len(clips), 3, -1).mean(dim=2)


def classifier(network: nn.Module) -> Classifier:
    """The network as a classifier, in evaluation mode."""
    return Classifier.from_module(network.eval(), LABELS, SPEC, name="mine")
