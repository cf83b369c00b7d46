"""16-bit gradients are used where allowed, where they pay, and where they point the same way."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from videovisual import motion, zoo
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.engine import model_runner
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.precision import (
    Precision,
    ReducedPrecision,
    native_dtype,
    same_direction,
)
from videovisual.engine.probe import Objective, Probe, Reading
from videovisual.zoo import Classifier

LARGE = (1, 3, 16, 112, 112)


class Unsteady(nn.Module):
    """Flips a ReLU by digits that 16 bits don't have; its weights can overflow."""

    def __init__(self, offset: float = 1000.0, factor: float = 1.0) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 1, 1)
        self.second = nn.Conv3d(1, 2, 1)
        self.offset = offset
        nn.init.constant_(self.first.weight, factor)
        nn.init.constant_(self.first.bias, offset)
        nn.init.constant_(self.second.weight[0], factor)
        nn.init.constant_(self.second.weight[1], -factor)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.second(F.relu(self.first(clips) - self.offset)).mean(dim=(2, 3, 4))


def folded_probe(clips: torch.Tensor, **options: bool) -> Probe:
    targets = torch.zeros(len(clips), dtype=torch.int64)
    return Probe(clips, targets, Objective.LOG_PROBABILITY, gradient=True, folded=True, **options)


def cosine(one: Reading, other: Reading) -> float:
    assert one.gradient is not None
    assert other.gradient is not None
    return float(F.cosine_similarity(one.gradient.flatten(), other.gradient.flatten(), dim=0))


@pytest.mark.parametrize("name", [name for name in zoo.cards() if name.endswith("-motion")])
def test_reduced_gradients_point_the_same_way_as_exact_ones(name: str) -> None:
    classifier = zoo.load(name)
    clips = torch.stack([classifier.prepare(motion.sample(index).frames) for index in (3, 4)])
    runner = ModelRunner(classifier.network, "cpu", precision="bfloat16")
    exact, reduced = (
        runner.evaluate(folded_probe(clips, reduced_precision=each)) for each in (False, True)
    )
    assert (exact.precision, reduced.precision) == (torch.float32, torch.bfloat16)
    assert reduced.gradient is not None
    assert reduced.logits.dtype == reduced.gradient.dtype == torch.float32
    torch.testing.assert_close(reduced.logits, exact.logits, rtol=0.05, atol=0.05)
    assert 0.95 < cosine(exact, reduced) < 1 - 1e-6


def test_only_folded_gradients_may_have_reduced_precision(small: Classifier) -> None:
    runner = ModelRunner(small.network, "cpu", precision="bfloat16")
    clips = torch.randn(1, 3, 16, 64, 64)
    target = torch.tensor([0])
    for probe in (
        Probe(clips),
        Probe(clips, target, gradient=True, reduced_precision=True),
        Probe(clips, target, layer="layer4", reduced_precision=True),
        folded_probe(clips),
    ):
        assert runner.evaluate(probe).precision == torch.float32


@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_small_clip_is_reduced_only_when_requested(
    small: Classifier, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    monkeypatch.setattr(model_runner, "native_dtype", lambda _: torch.bfloat16)
    runner = ModelRunner(small.network, "cpu", precision=precision)
    found = runner.evaluate(
        folded_probe(torch.randn(1, 3, 16, 64, 64), reduced_precision=True)
    ).precision
    assert str(found) == f"torch.{'float32' if precision == 'auto' else precision}"


@pytest.mark.parametrize("units", [torch.bfloat16, None])
def test_a_large_clip_is_reduced_if_the_device_has_units_for_it(
    small: Classifier, monkeypatch: pytest.MonkeyPatch, units: torch.dtype | None
) -> None:
    monkeypatch.setattr(model_runner, "native_dtype", lambda _: units)
    reading = ModelRunner(small.network, "cpu").evaluate(
        folded_probe(torch.randn(LARGE), reduced_precision=True)
    )
    assert reading.precision == (units or torch.float32)


@pytest.mark.parametrize(
    ("precision", "taken"), [("auto", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_gradients_that_differ_are_not_used_unless_requested(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, taken: torch.dtype
) -> None:
    monkeypatch.setattr(model_runner, "native_dtype", lambda _: torch.bfloat16)
    runner = ModelRunner(Unsteady(), "cpu", precision=precision)
    assert (
        runner.evaluate(folded_probe(torch.randn(LARGE), reduced_precision=True)).precision == taken
    )


def test_a_gradient_that_overflows_is_computed_in_float32() -> None:
    runner = ModelRunner(Unsteady(offset=0.0, factor=3000.0), "cpu", precision="float16")
    reading = runner.evaluate(folded_probe(torch.ones(1, 3, 4, 8, 8), reduced_precision=True))
    assert reading.precision == torch.float32
    assert reading.gradient is not None
    assert reading.gradient.isfinite().all()


def test_float16_does_not_lose_small_gradients() -> None:
    """The gradient is 1e-8, below the smallest float16 of 6e-8."""
    network = Unsteady(offset=0.0, factor=1e-2)
    clips = torch.ones(1, 3, 8, 32, 32)
    runner = ModelRunner(network, "cpu", precision="float16")
    exact, reduced = (
        runner.evaluate(folded_probe(clips, reduced_precision=each)) for each in (False, True)
    )
    assert reduced.precision == torch.float16
    assert exact.gradient is not None
    assert 0 < exact.gradient.abs().max() < 1e-7
    assert reduced.gradient is not None
    torch.testing.assert_close(reduced.gradient, exact.gradient, rtol=0.01, atol=0)


@pytest.mark.parametrize(
    ("given", "taken"),
    [({}, "bfloat16"), ({"precision": "float32"}, "float32"), ({"preset": "reference"}, "float32")],
)
@pytest.mark.parametrize("method", ["ep_2d", "ep_3d", "step"])
def test_the_diagnostics_of_a_search_report_its_precision(
    small: Classifier, method: str, given: dict[str, str], taken: str
) -> None:
    entry = catalogue.find(method)
    case = Case(torch.randn(3, 8, 64, 64), 1, small.card)
    work = entry.load()(case, entry.parse({"iterations": 2, **given}))
    found = run(ModelRunner(small.network, "cpu", precision="bfloat16"), work)
    assert found.diagnostics["precision"] == taken


def test_a_reduced_network_shares_all_but_its_convolutions(small: Classifier) -> None:
    before = {name: tensor.dtype for name, tensor in small.network.state_dict().items()}
    reduced = ReducedPrecision(small.network, torch.bfloat16)
    mine, shared = (each.get_submodule("fc").weight for each in (reduced.network, small.network))
    assert mine is shared
    after = {name: tensor.dtype for name, tensor in small.network.state_dict().items()}
    assert after == before


def test_same_direction_ignores_length() -> None:
    one = torch.tensor([3.0, 4.0])
    assert same_direction(one, 7 * one)
    assert not same_direction(one, torch.tensor([4.0, -3.0]))


@pytest.mark.parametrize(
    ("capability", "units"),
    [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float16), ((6, 1), None)],
)
def test_the_native_dtype_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], units: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert native_dtype(torch.device("cuda")) == units


@pytest.mark.parametrize(("tiles", "units"), [(True, torch.bfloat16), (False, None)])
def test_the_native_dtype_of_a_processor(
    monkeypatch: pytest.MonkeyPatch, tiles: bool, units: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert native_dtype(torch.device("cpu")) == units
