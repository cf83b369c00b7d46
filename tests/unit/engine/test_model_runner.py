from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from videovisual.engine.model_runner import ModelRunner, find_layer
from videovisual.engine.probe import Objective, Probe
from videovisual.errors import InvalidParameter
from videovisual.zoo import Classifier


@pytest.fixture
def clips(small: Classifier) -> torch.Tensor:
    return torch.randn(3, 3, 16, 64, 64)


def test_scores_equal_the_networks(small: Classifier, clips: torch.Tensor) -> None:
    reading = ModelRunner(small.network, "cpu").evaluate(Probe(clips))
    torch.testing.assert_close(reading.logits, small.logits(clips), rtol=1e-4, atol=1e-5)
    assert reading.gradient is None
    assert not reading.logits.requires_grad


@pytest.mark.parametrize("objective", list(Objective))
def test_gradient_is_the_directional_derivative(
    small: Classifier, clips: torch.Tensor, objective: Objective
) -> None:
    network = small.network.double()
    try:
        clip = clips[:1].double()
        direction = torch.randn_like(clip)
        runner = ModelRunner(network, "cpu")

        def value(step: float) -> float:
            logits = network(clip + step * direction)
            probability = logits.softmax(dim=1)[0, 2]
            return {
                Objective.LOGIT: float(logits[0, 2]),
                Objective.LOG_PROBABILITY: float(probability.log()),
                Objective.LOG_COMPLEMENT: float((1 - probability).log()),
            }[objective]

        probe = Probe(clip, torch.tensor([2]), objective, gradient=True)
        gradient = runner.evaluate(probe).gradient
        assert gradient is not None
        slope = (value(1e-6) - value(-1e-6)) / 2e-6
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-4)
    finally:
        small.network.float()


def test_batches_do_not_change_the_reading(small: Classifier, clips: torch.Tensor) -> None:
    probe = Probe(clips, torch.tensor([0, 1, 2]), gradient=True)
    alone = ModelRunner(small.network, "cpu", batch=1).evaluate(probe)
    together = ModelRunner(small.network, "cpu", batch=3).evaluate(probe)
    assert alone.gradient is not None
    assert together.gradient is not None
    torch.testing.assert_close(alone.logits, together.logits, rtol=1e-4, atol=1e-5)
    # Sums in another order may flip a ReLU, which changes a few pixels.
    difference = (alone.gradient - together.gradient).flatten(1).norm(dim=1)
    assert (difference < 1e-2 * alone.gradient.flatten(1).norm(dim=1)).all()


@pytest.mark.parametrize(
    ("side", "threads", "wanted", "last"),
    [
        (112, 1, {}, True),
        (112, 1, {"layer": "layer3"}, True),
        (112, 1, {"gradient": True}, False),
        (112, 2, {"gradient": True}, True),
        (64, 2, {"gradient": True}, False),
    ],
)
def test_large_clips_are_passed_with_channels_last(
    small: Classifier, threads: int, side: int, wanted: dict[str, Any], last: bool
) -> None:
    clips = torch.randn(1, 3, 16, side, side)
    seen = []

    def note(_module: nn.Module, given: tuple[torch.Tensor]) -> None:
        seen.append(given[0].is_contiguous(memory_format=torch.channels_last_3d))

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    hook = small.network.register_forward_pre_hook(note)
    try:
        probe = Probe(clips, torch.tensor([1]), **wanted)
        runner = ModelRunner(small.network, "cpu")
        runner.prepare(clips[0])
        seen.clear()
        reading = runner.evaluate(probe)
    finally:
        hook.remove()
        torch.set_num_threads(before)
    assert seen == [last]
    leaf = clips.clone().requires_grad_()
    logits = small.network(leaf)
    torch.testing.assert_close(reading.logits, logits.detach(), rtol=1e-4, atol=1e-5)
    if reading.gradient is not None:
        (gradient,) = torch.autograd.grad(logits[0, 1], leaf)
        assert reading.gradient.is_contiguous()
        torch.testing.assert_close(reading.gradient, gradient, rtol=1e-4, atol=1e-6)


def test_nothing_below_a_layer_is_differentiated(
    small: Classifier, clips: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    below: list[bool] = []
    handle = small.network.get_submodule("layer3").register_forward_hook(
        lambda _module, _inputs, output: below.append(output.requires_grad)
    )
    runner = ModelRunner(small.network, "cpu")
    runner.prepare(clips[0])
    below.clear()
    reading = runner.evaluate(Probe(clips[:1], torch.tensor([0]), layer="layer4"))
    handle.remove()
    assert below == [False]
    assert reading.activation is not None
    assert reading.activation_gradient is not None
    assert reading.activation.shape == reading.activation_gradient.shape
    assert reading.activation_gradient.abs().max() > 0


def test_an_unknown_layer_is_refused_with_the_known_ones(small: Classifier) -> None:
    with pytest.raises(InvalidParameter, match=r"no layer 'layer9'.*layer4"):
        find_layer(small.network, "layer9")


def test_no_weight_ever_gets_a_gradient(small: Classifier, clips: torch.Tensor) -> None:
    ModelRunner(small.network, "cpu").evaluate(Probe(clips, torch.zeros(3).long(), gradient=True))
    assert all(
        parameter.grad is None and not parameter.requires_grad
        for parameter in small.network.parameters()
    )


def test_a_network_that_takes_no_16_bits_runs_in_32() -> None:
    class Viewing(nn.Module):
        """Takes a view that only contiguous memory has; 16 bits have the channels last."""

        def __init__(self) -> None:
            super().__init__()
            self.stage = nn.Conv3d(3, 4, 3, padding=1)

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return self.stage(clips).view(len(clips), 16, -1).mean(dim=2)

    probe = Probe(
        torch.rand(1, 3, 4, 8, 8),
        torch.tensor([1]),
        gradient=True,
        folded=True,
        reduced_precision=True,
    )
    reading = ModelRunner(Viewing(), "cpu", precision="bfloat16").evaluate(probe)
    assert reading.precision == torch.float32
    assert reading.gradient is not None
