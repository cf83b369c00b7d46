"""Max pooling with a deterministic gradient on a GPU.

Torch's own backward pass adds the gradients of overlapping windows in varying order and in the
gradient's dtype. In 16 bits, I3D's gradient then differs by a hundredth from run to run.
"""

import copy
from typing import Any

import torch
from torch import nn


class MaxPooling(nn.Module):
    """Max pooling. On a processor it is torch's own.

    Args:
        module: returns the positions of its maxima too where its `return_indices` is set.
    """

    def __init__(self, module: nn.MaxPool3d) -> None:
        super().__init__()
        with_indices = copy.copy(module)
        with_indices.return_indices = True
        # In a tuple, so that they are not submodules with names of their own.
        self._pools = (module, with_indices)

    @classmethod
    def of(cls, module: nn.Module) -> "MaxPooling | None":
        """The same as torch's module; None for other modules."""
        return cls(module) if isinstance(module, nn.MaxPool3d) else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, T, H, W] → [N, C, T', H', W']."""
        if x.device.type == "cpu" or not (torch.is_grad_enabled() and x.requires_grad):
            result: torch.Tensor = self._pools[0](x)
            return result
        return self.deterministic(x)

    def deterministic(self, x: torch.Tensor) -> torch.Tensor:
        """The same, with a deterministic gradient."""
        result: torch.Tensor = _MaxPool.apply(x, self._pools[1])  # type: ignore[no-untyped-call]
        return result


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, pool: nn.MaxPool3d) -> torch.Tensor:
        maxima: torch.Tensor
        maxima, indices = pool(x)
        ctx.save_for_backward(indices)
        ctx.shape = x.shape
        return maxima

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (indices,) = ctx.saved_tensors
        # In float64 so few values add up exactly, or nearly so, whatever their order.
        values = grads[0].flatten(2).double()
        sums = values.new_zeros(*ctx.shape[:2], ctx.shape[2:].numel())
        sums.scatter_add_(2, indices.flatten(2), values)
        return sums.to(grads[0].dtype).view(ctx.shape), None
