"""Blocks of transformers: multi-head self-attention and a perceptron, each after layer norm.

Vaswani et al., NeurIPS 2017, https://arxiv.org/abs/1706.03762, with the norms before the branches
as in Dosovitskiy et al., ICLR 2021, https://arxiv.org/abs/2010.11929.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F


class Stem(nn.Sequential):
    """Overlapping convolutions in place of the first layers of a patch embedding.

    Xiao et al., "Early Convolutions Help Transformers See Better", NeurIPS 2021,
    https://arxiv.org/abs/2106.14881: with them a transformer learns from less. Each halves height
    and width.

    Args:
        channels: of each convolution.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        for before, after in zip((3, *channels), channels, strict=False):
            self.append(nn.Conv3d(before, after, 3, (1, 2, 2), padding=1, bias=False))
            self.append(nn.BatchNorm3d(after))
            self.append(nn.GELU())


def embedding(stem: Sequence[int], width: int, size: Sequence[int]) -> nn.Module:
    """Tokens of a clip [N, 3, T, H, W]: [N, width, t, h, w].

    Args:
        stem: channels of the convolutions of a stem; none as published.
        width: channels of a token.
        size: frames, rows and columns of a token.
    """
    frames, rows, columns = size
    kernel = (frames, rows >> len(stem), columns >> len(stem))
    last = nn.Conv3d(stem[-1] if stem else 3, width, kernel, kernel)
    return nn.Sequential(Stem(stem), last) if stem else last


class Attention(nn.Module):
    """Multi-head self-attention among the tokens of a sequence.

    Args:
        width: channels of a token.
        heads: number of heads, each of `width / heads` channels.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[N, L, C] → the same shape."""
        clips, length, width = tokens.shape
        parts = self.qkv(tokens).view(clips, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        projected: torch.Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return projected


class Perceptron(nn.Sequential):
    """Two linear layers, with `ratio` times as many channels between them."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )


def initialise(network: nn.Module) -> None:
    """Draw the weights of linear layers and patch embeddings (Glorot & Bengio, AISTATS 2010)."""
    for module in network.modules():
        # On `meta` there is nothing to draw, and drawing it would load PyTorch's compiler.
        if isinstance(module, nn.Linear | nn.Conv3d) and not module.weight.is_meta:
            nn.init.xavier_uniform_(module.weight.detach().flatten(1))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
