"""Convolutions in other forms are the same convolutions."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.nn import functional as F

from videovisual.engine.convolution import Convolutions

CASES = {
    "few channels": ((1, 8, 16, 32, 32), (8, 8, 3, 3, 3), (1, 1, 1), (1, 1, 1)),
    "no padding": ((1, 5, 7, 9, 11), (4, 5, 2, 3, 3), (1, 1, 1), (0, 0, 0)),
    "over place": ((1, 6, 8, 12, 12), (9, 6, 1, 3, 3), (1, 1, 1), (0, 1, 1)),
    "over time": ((2, 12, 8, 12, 12), (7, 12, 3, 1, 1), (1, 1, 1), (1, 0, 0)),
    "stem": ((1, 3, 16, 32, 32), (8, 3, 3, 7, 7), (1, 2, 2), (1, 3, 3)),
    "stem that leaves a rest": ((2, 3, 9, 30, 33), (6, 3, 5, 7, 7), (2, 2, 3), (0, 3, 1)),
    "stem that leaves much": ((1, 3, 8, 35, 35), (6, 3, 1, 5, 5), (1, 4, 4), (0, 0, 0)),
}


def ramp(output: torch.Tensor) -> torch.Tensor:
    return torch.linspace(-1, 1, output.numel()).view_as(output)


def through(
    mode: Convolutions, clips: torch.Tensor, weight: torch.Tensor, *options: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor, str]:
    leaf = clips.clone().requires_grad_()
    with mode:
        output = F.conv3d(leaf, weight, *options)  # type: ignore[call-overload]
    name = type(output.grad_fn).__name__
    (gradient,) = torch.autograd.grad(output, leaf, ramp(output))
    return output.detach(), gradient, name


@pytest.fixture
def one_thread():
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
    output, found, name = through(Convolutions(), clips, weight, added, stride, padding)  # type: ignore[arg-type]
    assert name == ("_StemBackward" if "stem" in case else "_UnstridedBackward")
    torch.testing.assert_close(output, expected.detach(), rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(found, gradient, rtol=1e-5, atol=2e-5)


def test_weights_that_have_changed_are_not_remembered() -> None:
    shape, kernel, stride, padding = CASES["few channels"]
    clips, weight = torch.ones(shape), torch.ones(kernel)
    mode = Convolutions()
    _, before, _ = through(mode, clips, weight, None, stride, padding)  # type: ignore[arg-type]
    weight.mul_(-2)
    output, after, _ = through(mode, clips, weight, None, stride, padding)  # type: ignore[arg-type]
    expected = F.conv_transpose3d(ramp(output), weight, None, stride, padding)
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)
    assert not torch.equal(before, after)


def test_weights_may_serve_with_several_strides() -> None:
    mode = Convolutions()
    clips, weight = torch.randn(1, 3, 8, 32, 32), torch.randn(4, 3, 3, 3, 3)
    for stride in ((1, 2, 2), (1, 1, 1), (2, 2, 2)):
        leaf = clips.clone().requires_grad_()
        output = F.conv3d(leaf, weight, None, stride, (1, 1, 1))
        (gradient,) = torch.autograd.grad(output, leaf, ramp(output))
        _, found, _ = through(mode, clips, weight, None, stride, (1, 1, 1))  # type: ignore[arg-type]
        torch.testing.assert_close(found, gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"weight": torch.ones(8, 8, 3, 3, 3, requires_grad=True)},
        {"clips": torch.ones(1, 8, 16, 32, 32, dtype=torch.float64)},
        {"clips": torch.ones(4, 8, 16, 32, 32)},
        {"clips": torch.ones(1, 8, 4, 4, 4)},
    ],
    ids=["trained", "double", "several clips", "tiny"],
)
def test_what_torch_does_well_is_left_to_it(change: dict[str, torch.Tensor]) -> None:
    inputs = {"clips": torch.ones(1, 8, 16, 32, 32), "weight": torch.ones(8, 8, 3, 3, 3)} | change
    clips = inputs["clips"].requires_grad_()
    with Convolutions():
        output = F.conv3d(clips, inputs["weight"].to(clips.dtype), None, (1, 1, 1), (1, 1, 1))
    assert type(output.grad_fn).__name__ == "ConvolutionBackward0"


def test_threads_may_be_inside_at_once_and_others_are_not_touched() -> None:
    shape, kernel, stride, padding = CASES["few channels"]
    clips, weight = torch.ones(shape), torch.ones(kernel)
    mode = Convolutions()
    inside = threading.Barrier(3)
    names = {}

    def run(number: int) -> None:
        with mode:
            inside.wait(10)
            leaf = clips.clone().requires_grad_()
            names[number] = type(F.conv3d(leaf, weight, None, stride, padding).grad_fn).__name__
            inside.wait(10)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    outside = F.conv3d(clips.clone().requires_grad_(), weight, None, stride, padding)
    inside.wait(10)
    for thread in threads:
        thread.join()
    assert type(outside.grad_fn).__name__ == "ConvolutionBackward0"
    assert names == {0: "_UnstridedBackward", 1: "_UnstridedBackward"}
