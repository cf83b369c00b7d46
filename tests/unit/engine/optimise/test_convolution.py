"""The faster forms of a convolution compute what torch's own does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from videovisual.engine.optimise import convolution_gpu
from videovisual.engine.optimise.convolution import Convolution
from videovisual.engine.optimise.network import optimised

CASES = {
    "few channels": ((1, 8, 16, 32, 32), (8, 8, 3, 3, 3), (1, 1, 1), (1, 1, 1)),
    "no padding": ((1, 5, 7, 9, 11), (4, 5, 2, 3, 3), (1, 1, 1), (0, 0, 0)),
    "over place": ((1, 6, 8, 12, 12), (9, 6, 1, 3, 3), (1, 1, 1), (0, 1, 1)),
    "over time": ((2, 12, 8, 12, 12), (7, 12, 3, 1, 1), (1, 1, 1), (1, 0, 0)),
    "stem": ((1, 3, 16, 32, 32), (8, 3, 3, 7, 7), (1, 2, 2), (1, 3, 3)),
    "stem that leaves a rest": ((2, 3, 9, 30, 33), (6, 3, 5, 7, 7), (2, 2, 3), (0, 3, 1)),
    "stem that leaves much": ((1, 3, 8, 35, 35), (6, 3, 1, 5, 5), (1, 4, 4), (0, 0, 0)),
}

STRIDED = {
    "strides": ((2, 8, 8, 14, 14), (6, 8, 3, 3, 3), (2, 2, 2), (1, 1, 1)),
    "strides beyond the kernel": ((1, 8, 8, 13, 14), (6, 8, 1, 1, 1), (2, 2, 2), (0, 0, 0)),
    "I3D's stem": ((1, 3, 21, 37, 37), (6, 3, 7, 7, 7), (2, 2, 2), (0, 0, 0)),
}


def ramp(output: torch.Tensor) -> torch.Tensor:
    return torch.linspace(-1, 1, output.numel()).view_as(output)


def through(
    convolution: Convolution, clips: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, str]:
    leaf = clips.clone().requires_grad_()
    output = convolution(leaf)
    name = type(output.grad_fn).__name__
    (gradient,) = torch.autograd.grad(output, leaf, ramp(output))
    return output.detach(), gradient, name


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_torchs(case: str, bias: bool) -> None:
    shape, kernel, stride, padding = CASES[case]
    generator = torch.Generator().manual_seed(0)
    clips, weight = (torch.randn(size, generator=generator) for size in (shape, kernel))
    added = torch.randn(kernel[0], generator=generator) if bias else None
    leaf = clips.clone().requires_grad_()
    expected = F.conv3d(leaf, weight, added, stride, padding)
    (gradient,) = torch.autograd.grad(expected, leaf, ramp(expected))
    convolution = Convolution(weight, added, stride, padding)
    output, found, name = through(convolution, clips)
    with torch.inference_mode():
        torch.testing.assert_close(convolution(clips), output, rtol=1e-5, atol=2e-5)
    assert name == "_DifferentiableBackward"
    torch.testing.assert_close(output, expected.detach(), rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(found, gradient, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", CASES | STRIDED)
def test_the_forms_for_a_gpu_equal_torchs(case: str, dtype: torch.dtype) -> None:
    shape, kernel, stride, padding = (CASES | STRIDED)[case]
    clips, weight = torch.randn(shape), torch.randn(kernel)
    bias = torch.randn(kernel[0])
    leaf = clips.to(dtype).requires_grad_()
    convolution = Convolution(weight.to(dtype), bias.to(dtype), stride, padding)
    output = convolution_gpu.convolve(convolution, leaf)
    exact = clips.clone().requires_grad_()
    expected = F.conv3d(exact, weight, bias, stride, padding)
    pull = ramp(expected)
    (gradient,) = torch.autograd.grad(output, leaf, pull.to(dtype))
    (wanted,) = torch.autograd.grad(expected, exact, pull)
    off = 1e-5 if dtype == torch.float32 else 2e-2
    for ours, theirs in ((output, expected), (gradient, wanted)):
        assert ours.dtype == dtype
        assert (ours - theirs).norm() < off * theirs.norm()
    with torch.inference_mode():
        alone = convolution_gpu.convolve(convolution, clips.to(dtype))
    assert (alone - expected).norm() < off * expected.norm()


def test_a_changed_weight_is_not_cached() -> None:
    shape, kernel, stride, padding = CASES["few channels"]
    clips, weight = torch.ones(shape), torch.ones(kernel)
    convolution = Convolution(weight, None, stride, padding)
    _, before, _ = through(convolution, clips)
    weight.mul_(-2)
    output, after, _ = through(convolution, clips)
    expected = F.conv_transpose3d(ramp(output), weight, None, stride, padding)
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    "clips",
    [
        torch.ones(1, 8, 16, 32, 32, dtype=torch.float64),
        torch.ones(4, 8, 16, 32, 32),
        torch.ones(1, 8, 4, 4, 4),
    ],
    ids=["double", "several clips", "tiny"],
)
def test_other_inputs_use_torchs_own_convolution(clips: torch.Tensor) -> None:
    weight = torch.ones(8, 8, 3, 3, 3, dtype=clips.dtype)
    _, _, name = through(Convolution(weight, None, (1, 1, 1), (1, 1, 1)), clips)
    assert name == "ConvolutionBackward0"


def test_an_optimised_network_shares_tensors_and_does_not_change_the_original() -> None:
    network = nn.Sequential(
        nn.Conv3d(3, 8, 3), nn.Sequential(nn.BatchNorm3d(8), nn.Conv3d(8, 8, 1))
    )
    network = network.eval().requires_grad_(False)
    copy = optimised(network)
    assert [type(module) for module in copy.modules() if isinstance(module, Convolution)] == [
        Convolution,
        Convolution,
    ]
    assert not any(isinstance(module, Convolution) for module in network.modules())
    clips = torch.randn(1, 3, 4, 8, 8)
    network[1][0].running_mean.add_(1)  # type: ignore[index]
    network[0].weight.mul_(2)  # type: ignore[operator]
    torch.testing.assert_close(copy(clips), network(clips), rtol=1e-5, atol=1e-5)


def test_an_optimised_network_may_use_a_module_twice() -> None:
    block = nn.Sequential(nn.Conv3d(4, 4, 3, padding=1), nn.ReLU())
    network = nn.Sequential(block, block).eval().requires_grad_(False)
    copy = optimised(network)
    assert type(block[0]) is nn.Conv3d
    assert [type(module[0]) for module in copy] == [Convolution] * 2  # type: ignore[index]
    clips = torch.randn(1, 4, 4, 8, 8)
    copy.register_forward_hook(lambda *_: torch.zeros(()))
    assert copy(clips).ndim == 0
    assert network(clips).ndim == 5


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv3d(4, 4, 3, groups=2),
        nn.Conv3d(4, 4, 3, dilation=2),
        nn.Conv3d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.Conv3d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3),
    ],
    ids=["groups", "dilation", "circular", "same", "flat"],
)
def test_special_cases_are_not_replaced(module: nn.Module) -> None:
    assert Convolution.of(module) is None


def test_several_threads_may_run_one_convolution() -> None:
    shape, kernel, stride, padding = CASES["few channels"]
    clips = torch.randn(shape)
    convolution = Convolution(torch.randn(kernel), None, stride, padding)
    together = threading.Barrier(4)
    found = {}

    def run(number: int) -> None:
        together.wait(10)
        found[number] = through(convolution, clips)[1]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = through(convolution, clips)[1]
    assert len(found) == 4
    for gradient in found.values():
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5)
