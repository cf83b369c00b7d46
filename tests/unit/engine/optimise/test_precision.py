"""Sixteen-bit gradients are taken where they are asked for, worth it, and point the same way."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from videovisual import motion, zoo
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.engine import model_runner as oracles
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.precision import Lowered, Precision, alike, native
from videovisual.engine.probe import Objective, Probe, Reading
from videovisual.zoo import Classifier

LARGE = (1, 3, 16, 112, 112)


class Unsteady(nn.Module):
    """Turns a rectifier by digits that sixteen bits don't have; its weights can be too large."""

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


def quick(clips: torch.Tensor, **asked: bool) -> Probe:
    targets = torch.zeros(len(clips), dtype=torch.int64)
    return Probe(clips, targets, Objective.LOG_PROBABILITY, gradient=True, quick=True, **asked)


def cosine(one: Reading, other: Reading) -> float:
    assert one.gradient is not None
    assert other.gradient is not None
    return float(F.cosine_similarity(one.gradient.flatten(), other.gradient.flatten(), dim=0))


@pytest.mark.parametrize("name", [name for name in zoo.cards() if name.endswith("-motion")])
def test_lowered_gradients_point_where_exact_ones_do(name: str) -> None:
    classifier = zoo.load(name)
    clips = torch.stack([classifier.prepare(motion.sample(index).frames) for index in (3, 4)])
    oracle = ModelRunner(classifier.network, "cpu", precision="bfloat16")
    exact, lowered = (oracle.evaluate(quick(clips, lowered=each)) for each in (False, True))
    assert (exact.precision, lowered.precision) == (torch.float32, torch.bfloat16)
    assert lowered.gradient is not None
    assert lowered.logits.dtype == lowered.gradient.dtype == torch.float32
    torch.testing.assert_close(lowered.logits, exact.logits, rtol=0.02, atol=0.05)
    assert 0.95 < cosine(exact, lowered) < 1 - 1e-6


def test_only_quick_gradients_that_may_be_are_lowered(small: Classifier) -> None:
    oracle = ModelRunner(small.network, "cpu", precision="bfloat16")
    clips = torch.randn(1, 3, 16, 64, 64)
    target = torch.tensor([0])
    for probe in (
        Probe(clips),
        Probe(clips, target, gradient=True, lowered=True),
        Probe(clips, target, layer="layer4", lowered=True),
        quick(clips),
    ):
        assert oracle.evaluate(probe).precision == torch.float32


@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_small_clip_is_lowered_only_when_told(
    small: Classifier, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    monkeypatch.setattr(oracles, "native", lambda _: torch.bfloat16)
    oracle = ModelRunner(small.network, "cpu", precision=precision)
    found = oracle.evaluate(quick(torch.randn(1, 3, 16, 64, 64), lowered=True)).precision
    assert str(found) == f"torch.{'float32' if precision == 'auto' else precision}"


@pytest.mark.parametrize("units", [torch.bfloat16, None])
def test_a_large_clip_is_lowered_where_the_device_has_units_for_it(
    small: Classifier, monkeypatch: pytest.MonkeyPatch, units: torch.dtype | None
) -> None:
    monkeypatch.setattr(oracles, "native", lambda _: units)
    reading = ModelRunner(small.network, "cpu").evaluate(quick(torch.randn(LARGE), lowered=True))
    assert reading.precision == (units or torch.float32)


@pytest.mark.parametrize(
    ("precision", "taken"), [("auto", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_gradients_that_differ_are_not_taken_unless_told(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, taken: torch.dtype
) -> None:
    monkeypatch.setattr(oracles, "native", lambda _: torch.bfloat16)
    oracle = ModelRunner(Unsteady(), "cpu", precision=precision)
    assert oracle.evaluate(quick(torch.randn(LARGE), lowered=True)).precision == taken


def test_a_gradient_beyond_the_largest_number_is_computed_anew() -> None:
    oracle = ModelRunner(Unsteady(offset=0.0, factor=3000.0), "cpu", precision="float16")
    reading = oracle.evaluate(quick(torch.ones(1, 3, 4, 8, 8), lowered=True))
    assert reading.precision == torch.float32
    assert reading.gradient is not None
    assert reading.gradient.isfinite().all()


def test_float16_keeps_small_gradients() -> None:
    """A gradient of 1e-8, beside a smallest number of 6e-8."""
    network = Unsteady(offset=0.0, factor=1e-2)
    clips = torch.ones(1, 3, 8, 32, 32)
    oracle = ModelRunner(network, "cpu", precision="float16")
    exact, lowered = (oracle.evaluate(quick(clips, lowered=each)) for each in (False, True))
    assert lowered.precision == torch.float16
    assert exact.gradient is not None
    assert 0 < exact.gradient.abs().max() < 1e-7
    assert lowered.gradient is not None
    torch.testing.assert_close(lowered.gradient, exact.gradient, rtol=0.01, atol=0)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, "bfloat16"),
        ({"precision": "float32"}, "float32"),
        ({"preset": "reference"}, "float32"),
    ],
)
@pytest.mark.parametrize("method", ["ep_2d", "ep_3d", "step"])
def test_a_search_says_of_which_numbers_its_gradients_were(
    small: Classifier, method: str, given: dict[str, str], taken: str
) -> None:
    entry = catalogue.find(method)
    case = Case(torch.randn(3, 8, 64, 64), 1, small.card)
    work = entry.load()(case, entry.parse({"iterations": 2, **given}))
    found = run(ModelRunner(small.network, "cpu", precision="bfloat16"), work)
    assert found.diagnostics["precision"] == taken


def test_a_lowered_network_shares_all_but_its_convolutions(small: Classifier) -> None:
    before = {name: tensor.dtype for name, tensor in small.network.state_dict().items()}
    lowered = Lowered(small.network, torch.bfloat16)
    mine, shared = (each.get_submodule("fc").weight for each in (lowered.network, small.network))
    assert mine is shared
    after = {name: tensor.dtype for name, tensor in small.network.state_dict().items()}
    assert after == before


def test_alike_is_a_question_of_direction() -> None:
    one = torch.tensor([3.0, 4.0])
    assert alike(one, 7 * one)
    assert not alike(one, torch.tensor([4.0, -3.0]))


@pytest.mark.parametrize(
    ("capability", "units"),
    [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float16), ((6, 1), None)],
)
def test_a_gpu_has_the_units_of_its_generation(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], units: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert native(torch.device("cuda")) == units


@pytest.mark.parametrize(("tiles", "units"), [(True, torch.bfloat16), (False, None)])
def test_a_processor_has_units_where_it_has_tiles(
    monkeypatch: pytest.MonkeyPatch, tiles: bool, units: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert native(torch.device("cpu")) == units
