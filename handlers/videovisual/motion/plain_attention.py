"""Attention as a softmax between two products of matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class PlainAttention(TorchFunctionMode):
    """While open, `scaled_dot_product_attention` is computed step by step.

    On a processor torch's own takes twice as long in bfloat16, forward and backward.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch."""
        run = attention if func is F.scaled_dot_product_attention else func
        return run(*args, **(kwargs or {}))


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """`scaled_dot_product_attention`; a mask is added to the logits."""
    logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if attn_mask is not None:
        logits = logits + attn_mask
    mixed: torch.Tensor = logits.softmax(dim=-1).to(value.dtype) @ value
    return mixed
