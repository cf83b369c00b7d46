"""Attention weights, read while a network runs, without a change of the network."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

PRODUCTS = {"matmul", "__matmul__", "bmm", "einsum", "baddbmm"}
"""Functions that multiply attention weights with the values."""

PASSED = {
    *("dropout", "to", "to_copy", "type_as", "contiguous", "clone"),
    *("view", "unsafe_view", "reshape", "expand", "flatten"),
}
"""Functions whose result still has the weights that they were given."""

ONE_LAYER = 4
"""Copies of all heads' weights of one layer while its mean is taken."""

MULTI_HEAD = inspect.signature(F.multi_head_attention_forward)


class Attention(Enum):
    """What is read of an attention: one number for each pair of tokens."""

    WEIGHTS = "weights"
    """The mean of the heads' weights."""
    RELEVANCE = "relevance"
    """The mean of the positive part of the heads' weights times the objective's gradient at them
    (Chefer, Gur & Wolf 2021, arXiv 2103.15679)."""


@dataclass(frozen=True)
class Call:
    """One call of attention.

    Attributes:
        weights: computes the weights [..., heads, queries, keys], detached.
        point: a tensor of the graph: the weights, or what the call returned.
        value: the values, if the point is the returned product of weights and values; else None.
    """

    weights: Callable[[], torch.Tensor]
    point: torch.Tensor
    value: torch.Tensor | None = None

    def relevance(self, gradient: torch.Tensor | None) -> torch.Tensor:
        """The positive part of weights × gradient, of the weights' shape.

        Args:
            gradient: at the point; None where the objective doesn't depend on it.
        """
        weights = self.weights()
        if gradient is None:
            return torch.zeros_like(weights)
        if self.value is not None:
            gradient = gradient @ self.value.detach().transpose(-2, -1)
        return (weights * gradient.reshape(weights.shape)).clamp(min=0)


class AttentionReader(TorchFunctionMode):
    """While open, records every attention that the calling thread computes.

    Attention is a call of `scaled_dot_product_attention` or of `multi_head_attention_forward`, or a
    softmax over the last axis whose result is a factor of a product of matrices; each as a
    function, a method or an operator of an exported program.

    Args:
        keep: called with each call.
    """

    def __init__(self, keep: Callable[[Call], None]) -> None:
        super().__init__()
        self._keep = keep
        # Tensors are held, so that no other can get their id.
        self._softmax: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch, and record the attention in it."""
        named = dict(kwargs or {})
        name = operation(func)
        if name == "multi_head_attention_forward":
            return self._multi_head(args, named)
        output = func(*args, **named)
        if name == "scaled_dot_product_attention":
            self._keep(_scaled_dot_product(output, *args, **named))
        elif name == "softmax" and output.ndim >= 3 and _over_last_axis(output, args, named):
            self._softmax[id(output)] = (output, output)
        elif name in PASSED and args and id(args[0]) in self._softmax:
            self._softmax[id(output)] = (output, self._softmax[id(args[0])][1])
        elif name in PRODUCTS:
            for factor in _tensors(args):
                self._product(factor)
        return output

    def _product(self, factor: torch.Tensor) -> None:
        if id(factor) not in self._softmax:
            return
        _, weights = self._softmax[id(factor)]
        same = [key for key, (_, own) in self._softmax.items() if own is weights]
        for key in same:
            del self._softmax[key]
        self._keep(Call(weights.detach, weights))

    def _multi_head(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """With weights of each head in its answer, from which the answer that was asked for."""
        bound = MULTI_HEAD.bind(*args, **kwargs)
        bound.apply_defaults()
        wanted, averaged = bound.arguments["need_weights"], bound.arguments["average_attn_weights"]
        bound.arguments.update(need_weights=True, average_attn_weights=False)
        output, weights = F.multi_head_attention_forward(*bound.args, **bound.kwargs)
        assert weights is not None
        self._keep(Call(weights.detach, weights))
        if not wanted:
            return output, None
        return output, weights.mean(dim=-3) if averaged else weights


def operation(function: Any) -> str:
    """The name of a function of torch, the same for a function, a method and an operator."""
    name: str = getattr(function, "__name__", "")
    return name.partition(".")[0].lstrip("_") if not name.startswith("__") else name


def _over_last_axis(output: torch.Tensor, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
    return axis in (-1, output.ndim - 1)


def _tensors(args: Sequence[Any]) -> list[torch.Tensor]:
    flat = [each for arg in args for each in (arg if isinstance(arg, list | tuple) else [arg])]
    return [each for each in flat if isinstance(each, torch.Tensor)]


def _scaled_dot_product(
    output: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Call:
    """A call with the arguments of `torch.nn.functional.scaled_dot_product_attention`."""
    del dropout_p
    if enable_gqa:
        key, value = (
            each.repeat_interleave(query.shape[-3] // each.shape[-3], dim=-3)
            for each in (key, value)
        )

    def weights() -> torch.Tensor:
        factor = query.shape[-1] ** -0.5 if scale is None else scale
        scores = (query.detach() * factor) @ key.detach().transpose(-2, -1)
        mask = attn_mask
        if is_causal:
            mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if mask is not None and mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, -torch.inf)
        elif mask is not None:
            scores = scores + mask
        return scores.softmax(dim=-1)

    return Call(weights, output, value)


def read_attention(
    network: nn.Module,
    clips: torch.Tensor,
    wanted: Attention,
    objective: Callable[[torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Run a network, and read every attention in it.

    The heads' mean is taken layer by layer, because all heads of all layers are gigabytes.

    Args:
        network: frozen, in evaluation mode.
        clips: [N, 3, T, H, W].
        wanted: what is read.
        objective: of logits [N, classes], for each clip; only the relevance depends on it.

    Returns:
        Logits, and of each attention, in the order of the pass, [N, groups, queries, keys]; a
        group is a set of tokens that attend to one another, such as those of one frame.
    """
    count = len(clips)
    if wanted is Attention.WEIGHTS:
        kept: list[torch.Tensor] = []
        with (
            torch.inference_mode(),
            AttentionReader(lambda call: kept.append(_mean(call.weights(), count))),
        ):
            logits = network(clips)
        return logits, tuple(kept)
    calls: list[Call] = []
    with torch.enable_grad():
        with AttentionReader(calls.append):
            logits = network(clips.detach().requires_grad_())
        points = [call.point for call in calls]
        found = torch.autograd.grad(objective(logits).sum(), points, allow_unused=True)
    pairs = zip(calls, found, strict=True)
    return logits.detach(), tuple(
        _mean(call.relevance(gradient), count) for call, gradient in pairs
    )


def attention_bytes(network: nn.Module, clip: torch.Tensor) -> int:
    """Memory that reading one clip's attention takes, beside what the network's own pass takes.

    The heads' means of all layers are kept. Beside them are, for one layer at a time, all heads'
    weights, their gradient and what is made of the two.

    Args:
        network: frozen, in evaluation mode.
        clip: [3, T, H, W] of any content.

    Returns:
        0 for a network without attention.
    """
    means, largest = 0, 0

    def add(call: Call) -> None:
        nonlocal means, largest
        weights = call.weights()
        means += _mean(weights, 1).nbytes
        largest = max(largest, weights.nbytes)

    with torch.inference_mode(), AttentionReader(add):
        network(clip[None])
    return means + ONE_LAYER * largest


def _mean(weights: torch.Tensor, clips: int) -> torch.Tensor:
    """The heads' mean, [N, groups, queries, keys].

    Args:
        weights: [..., heads, queries, keys] with the clips before the groups, or
            [N × heads, queries, keys].
        clips: N.
    """
    if weights.ndim == 3:
        weights = weights.reshape(clips, -1, *weights.shape[1:])
    return weights.mean(dim=-3).reshape(clips, -1, *weights.shape[-2:])
