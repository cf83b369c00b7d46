"""A small video transformer in plain torch, whose attention can be written in several ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.zoo import Classifier, InputSpec

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Queries, keys and values [..., tokens, channels of a head] → what is attended to."""

WIDTH, HEADS, DEPTH, CLASSES = 16, 2, 3, 3
INPUT = InputSpec(frames=8, size=(24, 32), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
GRID = (4, 3, 4)
"""Cells of 2 frames and 8 × 8 pixels."""


def scores(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """The scaled products of queries and keys."""
    product: torch.Tensor = query @ key.transpose(-2, -1)
    return product * query.shape[-1] ** -0.5


def operators(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """As an exported program calls them."""
    weights = torch.ops.aten.softmax.int(scores(query, key), -1)
    product: torch.Tensor = torch.ops.aten.matmul.default(weights, value)
    return product


WAYS: Mapping[str, Attend] = {
    "one call": F.scaled_dot_product_attention,
    "its operator": torch.ops.aten.scaled_dot_product_attention.default,
    "method and sign": lambda q, k, v: scores(q, k).softmax(dim=-1) @ v,
    "functions": lambda q, k, v: torch.matmul(
        F.dropout(F.softmax(scores(q, k), -1), 0.1, False), v
    ),
    "einsum": lambda q, k, v: torch.einsum("nhqk,nhkd->nhqd", scores(q, k).softmax(3), v),
    "operators": operators,
}


class Explicit:
    """Attention that keeps its weights, as an independent computation needs them."""

    def __init__(self) -> None:
        self.weights: list[torch.Tensor] = []

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        weights = scores(query, key).softmax(dim=-1)
        if weights.requires_grad:
            weights.retain_grad()
        self.weights.append(weights)
        return weights @ value


class Attention(nn.Module):
    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.attend = attend
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.project = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        parts = self.qkv(tokens).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        attended = self.attend(parts[0], parts[1], parts[2])
        projected: torch.Tensor = self.project(attended.transpose(1, 2).flatten(2))
        return projected


class Block(nn.Module):
    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.attention = Attention(attend)
        self.mlp = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.attention(self.norm(tokens))
        done: torch.Tensor = tokens + self.mlp(tokens)
        return done


class DividedBlock(Block):
    """Attention along time, then within frames, as TimeSformer's; without a class token."""

    def __init__(self, attend: Attend) -> None:
        super().__init__(attend)
        self.time_norm = nn.LayerNorm(WIDTH)
        self.time_attention = Attention(attend)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        count, area = tokens.shape[0], GRID[1] * GRID[2]
        along = tokens.unflatten(1, (GRID[0], area)).transpose(1, 2).flatten(0, 1)
        along = along + self.time_attention(self.time_norm(along))
        within = along.unflatten(0, (count, area)).transpose(1, 2).flatten(0, 1)
        within = within + self.attention(self.norm(within))
        tokens = within.unflatten(0, (count, GRID[0])).flatten(1, 2)
        done: torch.Tensor = tokens + self.mlp(tokens)
        return done


class Transformer(nn.Module):
    """Clips [N, 3, 8, 24, 32] → logits [N, 3].

    Args:
        attend: how attention is computed.
        class_token: where it is, if there is one.
        order: of the tokens, time first or last.
        divided: whether attention is divided into time and space.
        mean: whether the mean of the tokens of patches is classified although there is a class
            token.
    """

    def __init__(
        self,
        attend: Attend = F.scaled_dot_product_attention,
        class_token: Literal["first", "last"] | None = None,
        order: Literal["thw", "hwt"] = "thw",
        *,
        divided: bool = False,
        mean: bool = False,
    ) -> None:
        super().__init__()
        self.mean = mean
        generator = torch.Generator().manual_seed(1)
        self.patches = nn.Conv3d(3, WIDTH, (2, 8, 8), stride=(2, 8, 8))
        self.class_token = class_token
        self.order = order
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.place = nn.Parameter(torch.zeros(1, 4 * 3 * 4 + (class_token is not None), WIDTH))
        kind = DividedBlock if divided else Block
        self.blocks = nn.Sequential(*(kind(attend) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)
        for parameter in self.parameters():
            scale = 0.1 if parameter.ndim == 1 else 1.5 * parameter[0].numel() ** -0.5
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.copy_(scale * noise + (parameter.ndim == 1))
        self.eval().requires_grad_(False)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        cells = self.patches(clips)
        if self.order == "hwt":
            cells = cells.movedim(2, -1)
        tokens = cells.flatten(2).transpose(1, 2)
        own = self.token.expand(tokens.shape[0], -1, -1)
        if self.class_token is not None:
            parts = [own, tokens] if self.class_token == "first" else [tokens, own]
            tokens = torch.cat(parts, dim=1)
        tokens = self.norm(self.blocks(tokens + self.place))
        if self.class_token is not None:
            first = self.class_token == "first"
            patches = tokens[:, 1:] if first else tokens[:, :-1]
            tokens = patches if self.mean else tokens[:, :1] if first else tokens[:, -1:]
        logits: torch.Tensor = self.head(tokens.mean(dim=1))
        return logits


def classifier(network: nn.Module) -> Classifier:
    """It as a classifier of three classes."""
    return Classifier.from_module(network, ["up", "down", "still"], INPUT)
