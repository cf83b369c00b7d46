"""The places of a transformer's tokens in the clip: their grid and their order."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from videovisual.engine.attention import operation
from videovisual.errors import UnsuitableMethod

Grid = tuple[int, int, int]
"""Cells along frames, rows and columns."""

CONVOLUTIONS = {"conv2d", "conv3d", "convolution"}
GRIDS = {*CONVOLUTIONS, "max_pool3d", "avg_pool3d"}
ATTENTION = {"scaled_dot_product_attention", "multi_head_attention_forward", "softmax"}

EXTRA = 8
"""The most tokens beside the cells': class and register tokens."""

CLIPS = 2
"""Clips of a trace; one could not be told from an axis of length 1."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of one clip.

    Attributes:
        grid: cells along frames, rows and columns.
        cells: the token of each cell, in the order of frames, rows and columns.
        extra: the tokens that are no cell's: class and register tokens.
        read: the tokens that the answer is read from after the last layer: the class token, all,
            or others.
    """

    grid: Grid
    cells: tuple[int, ...]
    extra: tuple[int, ...]
    read: tuple[int, ...]

    @property
    def count(self) -> int:
        """The number of tokens."""
        return len(self.cells) + len(self.extra)


def trace(network: nn.Module, clip: torch.Tensor) -> Tokens:
    """The tokens of a network.

    The cells of a convolution's output are numbered, by adding their numbers to it, and the tokens
    before the first attention have these numbers: between them are only reshapes and embeddings
    that are added. A token without a number is a class token.

    Args:
        network: in evaluation mode.
        clip: float32 [3, T, H, W].

    Raises:
        UnsuitableMethod: it has no attention, or no tokens whose places can be told.
    """
    clips = clip.expand(CLIPS, *clip.shape)
    plain = _run(network, clips, _Trace())
    if not plain.attention:
        raise UnsuitableMethod(
            "The network has no attention: no call of scaled_dot_product_attention or of "
            "multi_head_attention_forward, and no softmax between products of matrices.",
            parameter="method",
        )
    for place, grid in enumerate(plain.convolutions):
        numbered = _run(network, clips, _Trace(numbered=place))
        pairs = zip(plain.values, numbered.values, strict=False)
        found = [tokens for pair in pairs if (tokens := _numbers(*pair, grid)) is not None]
        if found:
            # Divided attention takes the class token away before some layers.
            tokens = max(found, key=lambda tokens: tokens.count)
            return replace(tokens, read=_read(network, clips, tokens.count))
    raise UnsuitableMethod(
        "The places of the network's tokens can't be told: its first attention is not preceded by "
        "tokens [N, tokens, channels] of a convolution over patches, one for each of its cells. "
        "Networks that embed patches otherwise, mix them first, or cut them into windows (Swin) "
        "are explained by methods that don't read attention, such as gradient or grad_cam.",
        parameter="method",
    )


def pooled_grids(network: nn.Module, clip: torch.Tensor) -> tuple[Grid, ...]:
    """All grids of a network's convolutions and poolings, in the order of a pass."""
    traced = _run(network, clip.expand(CLIPS, *clip.shape), _Trace(whole=True))
    return tuple(dict.fromkeys(traced.grids))


def _read(network: nn.Module, clips: torch.Tensor, count: int) -> tuple[int, ...]:
    """The tokens whose last values have a gradient; all where nothing has one."""
    traced = _Trace(tokens=count)
    with torch.enable_grad(), traced:
        logits = network(clips.clone().requires_grad_())
    listed: list[int] = []
    if traced.last is not None and logits.requires_grad:
        (found,) = torch.autograd.grad(logits[0, 0], traced.last, allow_unused=True)
        listed = [] if found is None else found[0].any(dim=-1).nonzero()[:, 0].tolist()
    return tuple(listed or range(count))


class _Attention(Exception):
    """Ends a pass at the first attention."""


class _Trace(TorchFunctionMode):
    """Records what leads to the first attention.

    Args:
        numbered: the number of the convolution whose cells are numbered from 1.
        whole: whether the pass goes on after the first attention.
        tokens: the number of tokens of a clip, if their last values are wanted.

    Attributes:
        convolutions: the grid of each convolution's output.
        grids: the same, and those of poolings.
        values: all results of shape [N, tokens, channels].
        last: the last of them with `tokens` tokens that is differentiated.
        attention: whether there is attention.
    """

    def __init__(
        self, numbered: int | None = None, *, whole: bool = False, tokens: int | None = None
    ) -> None:
        super().__init__()
        self.convolutions: list[Grid] = []
        self.grids: list[Grid] = []
        self.values: list[torch.Tensor] = []
        self.last: torch.Tensor | None = None
        self.attention = False
        self._numbered = numbered
        self._tokens = tokens
        self._whole = whole or tokens is not None

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch and record it."""
        name = operation(func)
        if name in ATTENTION and not self._whole:
            self.attention = True
            raise _Attention
        output = func(*args, **(kwargs or {}))
        if not isinstance(output, torch.Tensor):
            return output
        grid = _grid(output) if name in GRIDS else None
        if grid is not None:
            self.grids.append(grid)
        if grid is not None and name in CONVOLUTIONS:
            self.convolutions.append(grid)
            if len(self.convolutions) - 1 == self._numbered:
                output = output + _numbering(output, grid)
        elif output.ndim == 3 and len(output) == CLIPS:
            if not self._whole:
                self.values.append(output)
            elif output.shape[1] == self._tokens and output.requires_grad:
                self.last = output
        return output


def _run(network: nn.Module, clips: torch.Tensor, traced: _Trace) -> _Trace:
    with torch.inference_mode(), suppress(_Attention), traced:
        network(clips)
    return traced


def _grid(output: torch.Tensor) -> Grid | None:
    """The grid of an output [N, C, t, h, w], [N × heads, C, t, h, w], or [N × t, C, h, w] of single
    frames."""
    frames, rest = divmod(len(output), CLIPS)
    if output.ndim == 5 and not rest:
        return (output.shape[2], output.shape[3], output.shape[4])
    if output.ndim == 4 and not rest:
        return (frames, output.shape[2], output.shape[3])
    return None


def _numbering(output: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The cells' numbers in the shape of a convolution's output."""
    numbers = torch.arange(1.0, prod(grid) + 1, device=output.device).view(grid)
    if output.ndim == 5:
        return numbers
    return numbers.repeat(CLIPS, 1, 1)[:, None]


def _numbers(one: torch.Tensor, other: torch.Tensor, grid: Grid) -> Tokens | None:
    """The tokens, if the difference of two values [N, tokens, C] is the cells' numbers."""
    count = prod(grid)
    if one.shape != other.shape or not count <= one.shape[1] <= count + EXTRA:
        return None
    difference = (other - one)[0].double()
    numbers = difference.mean(dim=-1).round()
    if (difference - numbers[:, None]).abs().max() > 0.25:
        return None
    listed = [int(number) for number in numbers]
    if sorted(number for number in listed if number) != list(range(1, count + 1)):
        return None
    places = {number: place for place, number in enumerate(listed) if number}
    extra = tuple(place for place, number in enumerate(listed) if not number)
    cells = tuple(places[number] for number in range(1, count + 1))
    return Tokens(grid, cells, extra, read=tuple(range(len(listed))))
