"""The area term: how far a mask is from 1 on a given share of its pixels and 0 on the rest."""

from typing import Any

import numpy as np
import torch


def pixel_count(area: float, size: int) -> int:
    """The number of pixels, at least one, that are the share `area` of `size` pixels."""
    return min(size, max(1, round(area * size)))


def step_template(values: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """1 for the `counts` largest values of each row, 0 for the rest; ties at the border share.

    Args:
        values: float32 [N, size].
        counts: int64 [N], on the same device.

    Returns:
        The template t, float32 [N, size], whose rows sum to their counts; and each row's mean of
        t (1 − t), float32 [N], which is 0 without ties.
    """
    by = _template_by_partition if values.device.type == "cpu" else template_by_sort
    return by(values, counts)


def _template_by_partition(
    values: torch.Tensor, counts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
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
    """The value at a place of the sorted row [size], and whether the place before has it too.

    By NumPy, which is ten times as fast as torch.
    """
    parted = torch.from_numpy(np.partition(row.numpy(), place))
    border = parted[place]
    return border, place > 0 and bool(parted[:place].max() == border)


def template_by_sort(
    values: torch.Tensor, counts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`step_template` for a GPU: by a sort, and without waiting for the device."""
    size = values.shape[1]
    border = values.sort(dim=1).values.gather(1, (size - counts)[:, None])
    tied = values == border
    many = tied.sum(dim=1)
    above = values > border
    share = (counts - above.sum(dim=1)).to(values.dtype) / many
    template = torch.where(tied, share[:, None], above.to(values.dtype))
    return template, share * (1 - share) * many / size


def area_term(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of each sorted row to a step from 0 to 1 with `counts` ones.

    Only which values are the `counts` largest matters, which needs no sort.

    Args:
        values: float32 [N, size] in [0, 1].
        counts: int64 [N], on the same device.

    Returns:
        float32 [N], differentiable.
    """
    terms: torch.Tensor = _AreaTerm.apply(values, counts)  # type: ignore[no-untyped-call]
    return terms


class _AreaTerm(torch.autograd.Function):
    """The mean over a row of t (v − 1)² + (1 − t) v² = (v − t)² + t (1 − t) for a template t."""

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
