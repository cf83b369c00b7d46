"""The area term: how far a mask is from being 1 on a given share of its pixels, 0 on the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def count_of(area: float, size: int) -> int:
    """How many of `size` pixels are the share `area`, at least one."""
    return min(size, max(1, round(area * size)))


def step_template(values: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """1 for the largest values of each row, 0 for the rest; ties at the border share what is left.

    Args:
        values: float32 [N, size].
        counts: int64 [N], how many are largest, on the same device.

    Returns:
        The template t, float32 [N, size], each row's sum its count; and of each row the mean of
        t (1 − t), which only ties make, float32 [N].
    """
    return _parted(values, counts) if values.device.type == "cpu" else sorted_out(values, counts)


def _parted(values: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    size = values.shape[1]
    found = [_border(row, size - count) for row, count in zip(values, counts.tolist(), strict=True)]
    border = torch.stack([value for value, _ in found])[:, None]
    template = torch.ge(values, border, out=torch.empty_like(values))
    if not any(tied for _, tied in found):
        return template, values.new_zeros(len(values))
    tied = values == border
    many = tied.sum(dim=1)
    excess = template.count_nonzero(dim=1) - counts
    share = 1 - excess.to(values) / many
    template = torch.where(tied, share[:, None], template)
    return template, share * (1 - share) * many / size


def _border(row: torch.Tensor, place: int) -> tuple[torch.Tensor, bool]:
    """The value at a place, from 0, of a row [size] if it were sorted; whether it comes before.

    By NumPy, which is ten times as fast as torch.
    """
    parted = torch.from_numpy(np.partition(row.numpy(), place))
    border = parted[place]
    return border, place > 0 and bool(parted[:place].max() == border)


def sorted_out(values: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same as `step_template` by a GPU's sort, and without waiting for anything it computes."""
    size = values.shape[1]
    border = values.sort(dim=1).values.gather(1, (size - counts)[:, None])
    tied = values == border
    many = tied.sum(dim=1)
    above = values > border
    share = (counts - above.sum(dim=1)).to(values.dtype) / many
    template = torch.where(tied, share[:, None], above.to(values.dtype))
    return template, share * (1 - share) * many / size


def area_term(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of each sorted row to the step from 0 to 1 with `counts` ones.

    Of the order only one fact is needed, which values are the `counts` largest, and that is found
    without sorting.

    Args:
        values: float32 [N, size] in [0, 1].
        counts: int64 [N], on the same device.

    Returns:
        float32 [N], differentiable.
    """
    terms: torch.Tensor = _AreaTerm.apply(values, counts)  # type: ignore[no-untyped-call]
    return terms


class _AreaTerm(torch.autograd.Function):
    """(v − 1)² of the share t and v² of the rest, where ties share a place in the template t.

    That is (v − t)² + t (1 − t).
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        template, spread = step_template(values, counts)
        off = values - template
        ctx.save_for_backward(off)
        squares: torch.Tensor = torch.linalg.vector_norm(off, dim=1).square()
        return squares / off.shape[1] + spread

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (off,) = ctx.saved_tensors
        return off * (grads[0] * 2 / off.shape[1])[:, None], None


def cut(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """1 for exactly the `counts` largest values of each row [N, size], 0 for the rest."""
    hard = torch.zeros_like(values)
    for row, into, count in zip(values, hard, counts.tolist(), strict=True):
        into[row.topk(count, sorted=False).indices] = 1
    return hard
