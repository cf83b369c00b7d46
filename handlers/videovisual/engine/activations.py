"""A layer's output as activations [N, C, t, h, w], whatever the order of its axes."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import nn

from videovisual.engine.tokens import Grid, Tokens, pooled_grids, trace


class Places:
    """Where a network's activations lie in clips of one size. The network is traced when needed.

    Args:
        network: in evaluation mode.
        clip: of that size, [3, T, H, W]; its values don't matter.
    """

    def __init__(self, network: nn.Module, clip: torch.Tensor) -> None:
        self._network = network
        self._clip = torch.zeros_like(clip)

    @cached_property
    def tokens(self) -> Tokens:
        """The network's tokens; see `tokens.trace`.

        Raises:
            UnsuitableMethod: it has none whose places can be told.
        """
        return trace(self._network, self._clip)

    @cached_property
    def pooled(self) -> tuple[Grid, ...]:
        """The grids of a network that pools its tokens."""
        return pooled_grids(self._network, self._clip)

    def arrange(self, output: torch.Tensor, clips: int) -> torch.Tensor | None:
        """A layer's output as [N, C, t, h, w], or None if it has no places.

        Args:
            output: [N, C, t, h, w]; [N, t, h, w, C]; [N × t, C, h, w] of single frames; tokens
                [N, L, C], or [N × t, L, C] of single frames, with or without class tokens.
            clips: N.

        Raises:
            UnsuitableMethod: tokens whose places can't be told.
        """
        if output.ndim == 5 and len(output) == clips:
            last = self._fits(output.shape[1:4]) and not self._fits(output.shape[2:])
            return output.movedim(-1, 1) if last else output
        frames, rest = divmod(len(output), clips)
        if output.ndim == 4 and frames > 1 and not rest:
            return output.reshape(clips, frames, *output.shape[1:]).transpose(1, 2)
        if output.ndim == 3 and not rest and output.shape[1] > 1:
            return self._tokens(output.reshape(clips, frames, *output.shape[1:]))
        return None

    def _fits(self, grid: Sequence[int]) -> bool:
        """Whether a grid can be the clip's: no finer, and of its shape to less than one cell."""
        frames, height, width = self._clip.shape[1:]
        if grid[0] > frames or grid[1] > height or grid[2] > width:
            return False
        return abs(grid[1] * width - grid[2] * height) < max(height, width)

    def _tokens(self, output: torch.Tensor) -> torch.Tensor | None:
        """Tokens [N, groups, L, C] as [N, C, t, h, w]."""
        tokens = self.tokens
        groups, length = output.shape[1:3]
        frames, area, extra = tokens.grid[0], prod(tokens.grid[1:]), len(tokens.extra)
        # Where a frame has as many tokens as there are frames, the shape doesn't tell whether the
        # groups are frames, or places along time.
        if groups == frames > 1 and length - area in {0, extra} and frames != length:
            return _as_grid(output[:, :, -area:].flatten(1, 2), tokens.grid)
        if groups > 1:
            return None
        if length == tokens.count:
            return _as_grid(output[:, 0, list(tokens.cells)], tokens.grid)
        if length == len(tokens.cells):
            ranks = {place: rank for rank, place in enumerate(sorted(tokens.cells))}
            return _as_grid(output[:, 0, [ranks[place] for place in tokens.cells]], tokens.grid)
        return self._pooled(output[:, 0], extra)

    def _pooled(self, output: torch.Tensor, extra: int) -> torch.Tensor | None:
        """Pooled tokens [N, L, C] after the class tokens, in the order of their grid."""
        fitting = [grid for grid in self.pooled if prod(grid) == output.shape[1] - extra]
        if len(fitting) != 1 or self.tokens.cells != tuple(range(extra, self.tokens.count)):
            return None
        return _as_grid(output[:, extra:], fitting[0])


def _as_grid(cells: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Values of cells [N, t × h × w, C] as [N, C, t, h, w]."""
    return cells.transpose(1, 2).reshape(len(cells), -1, *grid)


def tensor_of(output: Any) -> torch.Tensor | None:
    """The activations in a module's output: itself, or the first of a tuple."""
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, torch.Tensor) else None


@contextmanager
def leaf_at(module: nn.Module) -> Iterator[list[torch.Tensor | None]]:
    """While open, the module's output is a leaf of the graph, so nothing below is differentiated.

    Only in the calling thread: others may be running the same network. Yields the list of the
    leaves, one for each call; None for a call whose output holds no tensor.
    """
    owner = threading.get_ident()
    leaves: list[torch.Tensor | None] = []

    def detach(_module: nn.Module, _inputs: object, output: Any) -> Any:
        if threading.get_ident() != owner:
            return None
        found = tensor_of(output)
        leaf = None if found is None else found.detach().requires_grad_()
        leaves.append(leaf)
        if leaf is None or isinstance(output, torch.Tensor):
            return leaf
        return (leaf, *output[1:])

    handle = module.register_forward_hook(detach)
    try:
        yield leaves
    finally:
        handle.remove()
