"""Deterministic max pooling returns torch's maxima and torch's gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from videovisual import zoo
from videovisual.engine.optimise.network import optimised
from videovisual.engine.optimise.pooling import MaxPooling
from videovisual.zoo.i3d import MaxPool

POOLS = {
    "overlapping": nn.MaxPool3d(3, 2, 1),
    "in space": nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
    "apart": nn.MaxPool3d(2),
    "I3D's": MaxPool((3, 3, 3), (1, 1, 1)),
    "I3D's, with strides": MaxPool((1, 3, 3), (1, 2, 2)),
}


@pytest.mark.parametrize("name", POOLS)
def test_maxima_and_gradient_equal_torchs(name: str) -> None:
    x = torch.randn(2, 3, 5, 8, 7, requires_grad=True)
    pooling = MaxPooling.of(POOLS[name])
    assert pooling is not None
    theirs, ours = POOLS[name](x), pooling.deterministic(x)
    assert torch.equal(ours, theirs)
    gradient_out = torch.randn_like(theirs)
    gradients = [torch.autograd.grad(out, x, gradient_out)[0] for out in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_sums_are_rounded_once() -> None:
    """One value that is the maximum of 27 windows, whose gradients are 2^24 and 26 times 1."""
    x = torch.zeros(1, 1, 5, 5, 5)
    x[0, 0, 2, 2, 2] = 1
    x.requires_grad_()
    gradient_out = torch.ones(1, 1, 5, 5, 5)
    gradient_out[0, 0, 1, 1, 1] = 2**24
    pooling = MaxPooling(nn.MaxPool3d(3, 1, 1))
    (gradient,) = torch.autograd.grad(pooling.deterministic(x), x, gradient_out)
    assert gradient[0, 0, 2, 2, 2] == 2**24 + 26


def test_only_maximum_poolings_are_replaced() -> None:
    assert MaxPooling.of(nn.AvgPool3d(2)) is None
    network = optimised(zoo.load("i3d-motion").network)
    kinds = {type(module) for module in network.modules()}
    assert MaxPooling in kinds
    assert MaxPool not in kinds
