"""Maximum pooling whose gradient a GPU computes the same way each time.

Where windows overlap, torch's own adds up what they give to a value in whatever order they come,
in the gradient's numbers: in sixteen bits, I3D's gradient differs by a hundredth from one time to
the next.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class MaxPooling(nn.Module):
    """A maximum pooling, as it is on a processor.

    Args:
        module: gives its maxima's places too, where its `return_indices` is set.
    """

    def __init__(self, module: nn.MaxPool3d) -> None:
        super().__init__()
        placing = copy.copy(module)
        placing.return_indices = True
        # Not by themselves, lest they be modules of the network with names of their own.
        self._pools = (module, placing)

    @classmethod
    def of(cls, module: nn.Module) -> MaxPooling | None:
        """The same as torch's module; None where it is anything else."""
        return cls(module) if isinstance(module, nn.MaxPool3d) else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, T, H, W] → [N, C, T', H', W']."""
        if x.device.type == "cpu" or not (torch.is_grad_enabled() and x.requires_grad):
            result: torch.Tensor = self._pools[0](x)
            return result
        return self.steadily(x)

    def steadily(self, x: torch.Tensor) -> torch.Tensor:
        """The same, with the gradient that is always the same."""
        result: torch.Tensor = _Maximum.apply(x, self._pools[1])  # type: ignore[no-untyped-call]
        return result


class _Maximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, placing: nn.MaxPool3d) -> torch.Tensor:
        values, places = placing(x)
        ctx.save_for_backward(places)
        ctx.shape = x.shape
        maxima: torch.Tensor = values
        return maxima

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        # In float64 sums of so few are exact, or nearly so: their order makes no difference.
        given = grads[0].flatten(2).double()
        sums = given.new_zeros(*ctx.shape[:2], ctx.shape[2:].numel())
        sums.scatter_add_(2, places.flatten(2), given)
        return sums.to(grads[0].dtype).view(ctx.shape), None
