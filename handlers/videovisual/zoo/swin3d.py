"""Video Swin: a hierarchical transformer whose tokens attend to one another in shifted windows.

Liu, Ning, Cao, Wei, Zhang, Lin, Hu, "Video Swin Transformer", CVPR 2022,
https://arxiv.org/abs/2106.13230. Blocks are channels-last: they map [N, T, H, W, C] to the same
shape.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.zoo.attention import Perceptron, embedding, initialise
from videovisual.zoo.card import ModelCard

TINY: Mapping[str, Any] = {
    "width": 96,
    "blocks": (2, 2, 6, 2),
    "heads": (3, 6, 12, 24),
    "patch": (2, 4, 4),
    "window": (8, 7, 7),
}
"""The published sizes of Swin-T."""

DEVIATION = 0.02
"""Standard deviation of the initial biases of relative positions."""


class WindowAttention(nn.Module):
    """Multi-head self-attention in windows, with a learnt bias for each relative position.

    Args:
        width: channels of a token.
        heads: number of heads, each of `width / heads` channels.
        window: the largest size of a window in frames, rows and columns.
        shifted: whether the windows are shifted by half their size, so that tokens meet that were
            in different windows in the block before.
    """

    def __init__(self, width: int, heads: int, window: Sequence[int], shifted: bool) -> None:
        super().__init__()
        self.heads, self.window, self.shifted = heads, tuple(window), shifted
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative = nn.Parameter(torch.zeros(heads, *(2 * size - 1 for size in window)))
        if not self.relative.is_meta:
            nn.init.trunc_normal_(self.relative, std=DEVIATION)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """[N, T, H, W, C] → the same shape."""
        grid = cells.shape[1:4]
        # As published: an axis that one window covers is not shifted.
        window = [min(pair) for pair in zip(grid, self.window, strict=True)]
        shift = [
            side // 2 if self.shifted and side < size else 0
            for side, size in zip(window, grid, strict=True)
        ]
        after = [-size % side for size, side in zip(grid, window, strict=True)]
        padded = F.pad(cells, (0, 0, 0, after[2], 0, after[1], 0, after[0]))
        rolled = padded.roll([-step for step in shift], (1, 2, 3)) if any(shift) else padded
        tokens = split(rolled, window)
        bias = self.bias(window)
        if any(shift) or any(after):
            apart = split(regions(grid, rolled.shape[1:4], shift, cells.device), window)[0]
            separate = apart != apart.transpose(1, 2)
            bias = bias.masked_fill(separate[:, None], -torch.inf)
        joined = join(self.attend(tokens, bias), rolled.shape, window)
        if any(shift):
            joined = joined.roll(shift, (1, 2, 3))
        return joined[:, : grid[0], : grid[1], : grid[2]]

    def attend(self, tokens: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Attention in every window.

        Args:
            tokens: [N, windows, L, C].
            bias: of the logits, [heads, L, L] or [windows, heads, L, L].

        Returns:
            As `tokens`.
        """
        clips, count, length, width = tokens.shape
        heads = self.heads
        parts = self.qkv(tokens).view(clips, count, length, 3, heads, width // heads)
        # Windows are heads to torch, so that clips share the bias.
        query, key, value = parts.permute(3, 0, 1, 4, 2, 5).flatten(2, 3)
        shared = bias.expand(count, heads, length, length).flatten(0, 1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=shared)
        merged = mixed.view(clips, count, heads, length, -1).transpose(2, 3).flatten(3)
        projected: torch.Tensor = self.proj(merged)
        return projected

    def bias(self, window: Sequence[int]) -> torch.Tensor:
        """The bias of every pair of a window's tokens: [heads, L, L]."""
        places = torch.meshgrid(
            *(torch.arange(size, device=self.relative.device) for size in window), indexing="ij"
        )
        time, rows, columns = (
            place.flatten()[:, None] - place.flatten() + size - 1
            for place, size in zip(places, self.window, strict=True)
        )
        biases: torch.Tensor = self.relative[:, time, rows, columns]
        return biases


def split(cells: torch.Tensor, window: Sequence[int]) -> torch.Tensor:
    """Cut cells [N, T, H, W, C], whole windows along each axis, into [N, windows, L, C]."""
    clips, *grid, width = cells.shape
    pairs = [
        side for size, length in zip(grid, window, strict=True) for side in (size // length, length)
    ]
    parted = cells.reshape(clips, *pairs, width)
    return parted.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4, 6).flatten(1, 3)


def join(tokens: torch.Tensor, shape: Sequence[int], window: Sequence[int]) -> torch.Tensor:
    """The inverse of `split`, for cells of the given shape."""
    clips, *grid, width = shape
    counts = [size // length for size, length in zip(grid, window, strict=True)]
    parted = tokens.reshape(clips, *counts, *window, width)
    return parted.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(tuple(shape))


def regions(
    grid: Sequence[int], padded: Sequence[int], shift: Sequence[int], device: torch.device
) -> torch.Tensor:
    """The region of every cell after padding and shifting; only cells of one region may meet.

    Cells that the shift brought from the clip's other end are a region, and so is the padding.

    Returns:
        [1, T, H, W, 1], numbers of regions.
    """
    number = torch.zeros(1, device=device)
    for size, whole, step in zip(grid, padded, shift, strict=True):
        place = torch.arange(whole, device=device) + step
        kind = (place >= whole) + 2 * (place % whole >= size)
        number = 4 * number[..., None] + kind
    return number[..., None]


class Block(nn.Module):
    """Attention in windows and a perceptron, both with residuals; see `WindowAttention`."""

    def __init__(
        self, width: int, heads: int, window: Sequence[int], shifted: bool, ratio: int
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window, shifted)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, ratio)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """[N, T, H, W, C] → the same shape."""
        cells = cells + self.attn(self.norm1(cells))
        total: torch.Tensor = cells + self.mlp(self.norm2(cells))
        return total


class PatchMerging(nn.Module):
    """Merges 2 × 2 cells of a frame into one with twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        """[N, T, H, W, C] → [N, T, H / 2, W / 2, 2 * C], padded where a side is odd."""
        padded = F.pad(cells, (0, 0, 0, cells.shape[3] % 2, 0, cells.shape[2] % 2))
        squares = torch.cat(
            [padded[:, :, row::2, column::2] for column in (0, 1) for row in (0, 1)], dim=-1
        )
        merged: torch.Tensor = self.reduction(self.norm(squares))
        return merged


class VideoSwin(nn.Module):
    """Video Swin transformer.

    Args:
        classes: number of logits.
        width: channels of the first stage's tokens; each later stage has twice as many.
        blocks: number of blocks in each stage.
        heads: of the attention in each stage.
        patch: frames, rows and columns of a token.
        window: largest size of a window of tokens.
        ratio: of a perceptron's hidden channels to the token's.
        stem: channels of overlapping convolutions before the tokens; see `attention.Stem`.
    """

    def __init__(
        self,
        classes: int,
        width: int,
        blocks: Sequence[int],
        heads: Sequence[int],
        patch: Sequence[int],
        window: Sequence[int],
        ratio: int = 4,
        stem: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.patch_embed = embedding(stem, width, patch)
        self.embed_norm = nn.LayerNorm(width)
        self.features = nn.Sequential()
        for count, parts in zip(blocks, heads, strict=True):
            if self.features:
                self.features.append(PatchMerging(width))
                width *= 2
            stage = (Block(width, parts, window, number % 2 == 1, ratio) for number in range(count))
            self.features.append(nn.Sequential(*stage))
        self.norm = nn.LayerNorm(width)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(width, classes)
        initialise(self)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, T, H, W] → logits float32 [N, classes]."""
        cells = self.embed_norm(self.patch_embed(clips).movedim(1, -1))
        last = self.norm(self.features(cells)).movedim(-1, 1)
        logits: torch.Tensor = self.fc(self.avgpool(last).flatten(1))
        return logits


def build(card: ModelCard) -> nn.Module:
    """The card's network with random weights; `card.options` may hold its sizes."""
    return VideoSwin(len(card.labels), **{**TINY, **card.options})


def adapt(card: ModelCard, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The network's own entries, the only layout."""
    return dict(state)
