"""VideoMAE's network: a vision transformer with joint space-time attention.

Tong, Song, Wang, Wang, "VideoMAE: Masked Autoencoders are Data-Efficient Learners for
Self-Supervised Video Pre-Training", NeurIPS 2022, https://arxiv.org/abs/2203.12602; the transformer
of Dosovitskiy et al., ICLR 2021, https://arxiv.org/abs/2010.11929. A token is a tubelet of two
frames. Positions are fixed sines and cosines, of each axis by itself, so that clips of any size
have them; the authors number the tokens of a clip of one size. There is no class token: the
classifier reads the mean of all tokens. A small network may begin with a stem of convolutions.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from videovisual.zoo.attention import Attention, Perceptron, embedding, initialise
from videovisual.zoo.card import ModelCard

BASE = {"width": 768, "depth": 12, "heads": 12, "tubelet": (2, 16, 16)}
LONGEST = 100.0
"""Ratio of the longest wavelength of the positions to the shortest. The authors' is 10,000, for the
numbers of all tokens; along one axis there are only tens."""


class Block(nn.Module):
    """Self-attention among all tokens, and a perceptron for each, both with residuals."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, ratio)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[N, L, C] → the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        total: torch.Tensor = tokens + self.mlp(self.norm2(tokens))
        return total


class VideoTransformer(nn.Module):
    """A vision transformer of tubelets.

    Args:
        classes: number of logits.
        width: channels of a token, a multiple of 6 and of `heads`.
        depth: number of blocks.
        heads: of the attention.
        tubelet: frames, rows and columns of a token.
        ratio: of a perceptron's hidden channels to `width`.
        stem: channels of overlapping convolutions before the tokens; see `attention.Stem`.
    """

    def __init__(
        self,
        classes: int,
        width: int,
        depth: int,
        heads: int,
        tubelet: Sequence[int],
        ratio: int = 4,
        stem: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.patch_embed = embedding(stem, width, tubelet)
        self.blocks = nn.Sequential(*(Block(width, heads, ratio) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(width, classes)
        initialise(self)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, T, H, W] → logits float32 [N, classes]."""
        embedded = self.patch_embed(clips)
        grid = embedded.shape[2:]
        tokens = embedded.flatten(2).transpose(1, 2)
        tokens = self.norm(self.blocks(tokens + positions(grid, tokens)))
        features = tokens.transpose(1, 2).view(embedded.shape)
        logits: torch.Tensor = self.fc(self.avgpool(features).flatten(1))
        return logits


def positions(grid: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of every cell's frame, row and column, a third of the channels each.

    Args:
        grid: cells in time, height and width.
        like: tokens [N, L, C], whose channels, dtype and device the result has.

    Returns:
        [L, C], the cells in the order of `flatten`.
    """
    waves = like.shape[-1] // 6
    rates = LONGEST ** (-torch.arange(waves, device=like.device) / waves)
    axes = []
    for cells in torch.meshgrid(
        *(torch.arange(size, device=like.device) for size in grid), indexing="ij"
    ):
        angles = cells.flatten()[:, None] * rates
        axes += [angles.sin(), angles.cos()]
    return torch.cat(axes, dim=1).to(like.dtype)


def build(card: ModelCard) -> nn.Module:
    """The card's network with random weights; `card.options` may hold its sizes."""
    return VideoTransformer(len(card.labels), **{**BASE, **card.options})


def adapt(card: ModelCard, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The network's own entries, the only layout."""
    return dict(state)
