"""Poolings whose gradient is the same each time give torch's maxima and torch's gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from videovisual import zoo
from videovisual.engine.optimise.convolution import quickened
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
def test_maxima_and_gradient_are_torchs(name: str) -> None:
    x = torch.randn(2, 3, 5, 8, 7, requires_grad=True)
    pooling = MaxPooling.of(POOLS[name])
    assert pooling is not None
    theirs, ours = POOLS[name](x), pooling.steadily(x)
    assert torch.equal(ours, theirs)
    pull = torch.randn_like(theirs)
    gradients = [torch.autograd.grad(out, x, pull)[0] for out in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_sums_are_rounded_once() -> None:
    """One value that is the maximum of 27 windows, whose pulls are 2^24 and 26 times 1."""
    x = torch.zeros(1, 1, 5, 5, 5)
    x[0, 0, 2, 2, 2] = 1
    x.requires_grad_()
    pull = torch.ones(1, 1, 5, 5, 5)
    pull[0, 0, 1, 1, 1] = 2**24
    pooling = MaxPooling(nn.MaxPool3d(3, 1, 1))
    (gradient,) = torch.autograd.grad(pooling.steadily(x), x, pull)
    assert gradient[0, 0, 2, 2, 2] == 2**24 + 26


def test_only_maximum_poolings_are_replaced() -> None:
    assert MaxPooling.of(nn.AvgPool3d(2)) is None
    network = quickened(zoo.load("i3d-motion").network)
    kinds = {type(module) for module in network.modules()}
    assert MaxPooling in kinds
    assert MaxPool not in kinds
