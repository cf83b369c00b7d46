"""STEP's and REVEX's protocols against their definitions, written out step by step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from benchmarks.protocols import report
from benchmarks.protocols.revex import revex_games, revex_places, stretched
from benchmarks.protocols.step import step_areas
from torch import nn

from videovisual.attribution.method import Case
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.zoo import card

SHAPE = (2, 32, 32)


class Mean(nn.Module):
    """The probability of class 1 grows with the mean of the upper half."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        evidence = clips[..., :16, :].mean((1, 2, 3, 4))
        return torch.stack([torch.zeros_like(evidence), evidence], dim=1)


@pytest.fixture
def case() -> Case:
    clip = 1 + torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    return Case(clip, target=1, card=card("r3d-motion"), batch=8)


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE, np.float32)


def probability(clip: torch.Tensor) -> float:
    return float(Mean()(clip[None]).softmax(1)[0, 1])


@pytest.mark.parametrize("mode", ["insertion", "deletion"])
@pytest.mark.parametrize("order", ["", "_least"])
def test_step_s_areas(case: Case, values: np.ndarray, mode: str, order: str) -> None:
    found = run(ModelRunner(Mean(), "cpu"), step_areas(case, values))[mode + order]
    cells = values.reshape(2, 16, 2, 16, 2).mean(axis=(2, 4)).ravel()
    ordered = np.argsort(cells if order else -cells)
    curve = []
    for step in range(129):
        mask = np.full(cells.size, mode == "deletion")
        mask[ordered[: 4 * step]] = mode == "insertion"
        pixels = mask.reshape(2, 16, 16).repeat(2, axis=1).repeat(2, axis=2)
        curve.append(probability(case.clip * torch.from_numpy(pixels)))
    area = (sum(curve) - (curve[0] + curve[-1]) / 2) / 128
    assert found == pytest.approx(area, abs=1e-5)


def test_revex_s_games(case: Case, values: np.ndarray) -> None:
    found = run(ModelRunner(Mean(), "cpu"), revex_games(case, values))
    level = torch.from_numpy(stretched(values))
    black = case.flat(0.0)
    for name, hides in (("insertion", False), ("deletion", True)):
        points = [(0.0, probability(case.clip if hides else black.expand_as(case.clip)))]
        for step in range(99, 0, -1):
            mask = level >= step / 100
            clip = torch.where(mask != hides, case.clip, black)
            points.append((float(mask.double().mean()), probability(clip)))
        points.append((1.0, probability(black.expand_as(case.clip) if hides else case.clip)))
        area = sum(
            (right[0] - left[0]) * (left[1] + right[1]) / 2 for left, right in pairwise(points)
        )
        assert found[name] == pytest.approx(area, abs=1e-5)
    whole = probability(case.clip)
    shown = probability(level * case.clip + (1 - level) * black)
    assert found["average_drop"] == pytest.approx(100 * (whole - shown) / whole, abs=1e-3)


def test_revex_s_places_and_a_constant_map(case: Case) -> None:
    values = np.zeros(SHAPE, np.float32)
    values[0, 4, 4:7], values[1, 20, 20] = 2, 1
    evidence = np.zeros(SHAPE, bool)
    evidence[0, 4, 5:9] = True
    assert revex_places(values, evidence) == {"pointing": 1.0, "iou": 2 / 5}
    flat = np.ones(SHAPE, np.float32)
    assert revex_places(flat, evidence) == {"pointing": 0.0, "iou": 0.0}
    found = run(ModelRunner(Mean(), "cpu"), revex_games(case, flat))
    ends = probability(case.clip) + probability(case.flat(0.0).expand_as(case.clip))
    assert found["insertion"] == pytest.approx(ends / 2, abs=1e-5)
    assert found["insertion"] == pytest.approx(found["deletion"])


def test_the_tables_have_floors_last_and_leave_out_what_is_not_known() -> None:
    def row(insertion: float) -> dict[str, dict[str, float]]:
        areas = {"insertion": insertion, "deletion": 0.1}
        return {"step": areas, "revex": {**areas, "average_drop": 3.0}}

    results = {"tsm-motion": {"random": [row(0.9)], "gradient": [row(0.5)], "ep_3d": [row(0.6)]}}
    machine = {"cpu": "a", "cores": 2, "torch": "2"}
    lines = list(report._body({"results": results, "machine": machine}))
    assert [line.split("`")[1] for line in lines if line.startswith("| `")] == [
        "ep_3d",
        "gradient",
        "random",
    ]
    assert "pointing" not in lines[2]
