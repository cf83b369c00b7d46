"""The stride of a network in time: how many frames its first layer moves at once."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from videovisual.engine.attention import operation

CONVOLUTIONS = {"conv2d", "conv3d", "convolution"}
COLOURS = 3


def temporal_stride(network: nn.Module, clip: torch.Tensor) -> int | None:
    """How many frames a network's first layer moves at once.

    A clip that is moved by as many frames gives the first layer's output moved by one place, and a
    clip that is moved by fewer gives another output. So the network has no place in time for each
    frame, and a map that is finer shows this grid.

    The first layer is the first convolution of colours. Where it sees fewer frames than the clip
    has, as the slow pathway of SlowFast does, it is the finest of all.

    Args:
        network: in evaluation mode.
        clip: float32 [3, T, H, W] of any content.

    Returns:
        1 for a network that reads every frame by itself; None where no such layer is found.
    """
    traced = _Trace(frames=clip.shape[1])
    with torch.inference_mode(), suppress(_Found), traced:
        network(clip[None])
    return min(traced.strides, default=None)


class _Found(Exception):
    """Ends a pass at the first layer that sees every frame."""


class _Trace(TorchFunctionMode):
    """Records the convolutions of colours, until one has seen every frame.

    Args:
        frames: of the clip, which is the only one.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        self._frames = frames
        self._layers: dict[int, tuple[int, int]] = {}

    @property
    def strides(self) -> list[int]:
        """Of each layer, in frames of the clip."""
        return [own * max(1, self._frames // seen) for seen, own in self._layers.values()]

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch, and record it if it is a convolution of colours."""
        named = kwargs or {}
        if operation(func) in CONVOLUTIONS:
            given = dict(zip(("input", "weight", "bias", "stride"), args, strict=False), **named)
            weight = given["weight"]
            if weight.shape[1] == COLOURS:
                self._record(given["input"], weight, given.get("stride", 1))
        return func(*args, **named)

    def _record(self, clips: torch.Tensor, weight: torch.Tensor, stride: Any) -> None:
        volume = weight.ndim == 5
        own = (stride if isinstance(stride, int) else stride[0]) if volume else 1
        # A layer may see the frames one after the other.
        before, _ = self._layers.get(weight.data_ptr(), (0, own))
        seen = before + (clips.shape[-3] if volume else len(clips))
        self._layers[weight.data_ptr()] = seen, own
        if seen >= self._frames:
            raise _Found
