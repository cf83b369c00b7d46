from __future__ import annotations

import pytest
import torch

from videovisual.engine.batch import Kind
from videovisual.engine.budget import COPIES, GROWTH, Budget

SCORES = Kind((3, 16, 64, 64), torch.float32)
GRADIENT = Kind((3, 16, 64, 64), torch.float32, gradient=True)


def test_the_first_step_is_as_large_as_allowed() -> None:
    assert Budget(16).room(SCORES) == 16


def test_a_step_holds_what_fits_into_its_time() -> None:
    budget = Budget(16, step_s=0.25)
    budget.learn(SCORES, clips=4, seconds=0.2)
    assert budget.room(SCORES) == 5
    assert budget.room(GRADIENT) == 16
    budget.learn(GRADIENT, clips=1, seconds=3)
    assert budget.room(GRADIENT) == 1


def test_the_time_follows_the_machine() -> None:
    budget = Budget(64, step_s=0.25)
    budget.learn(SCORES, clips=1, seconds=0.1)
    for _ in range(30):
        budget.learn(SCORES, clips=1, seconds=0.01)
    assert budget.seconds(SCORES) == pytest.approx(0.01, rel=0.02)
    assert budget.room(SCORES) == 24


def test_memory_bounds_a_step_by_an_estimate_and_then_by_measure() -> None:
    clip = 3 * 16 * 64 * 64 * 4
    budget = Budget(64, memory=10 * clip * COPIES["gradient"])
    assert budget.room(GRADIENT) == 10
    budget.learn(GRADIENT, clips=4, seconds=0.001, memory=4 * clip * COPIES["gradient"] // 2)
    assert budget.room(GRADIENT) == 20
    budget.memory = 1
    assert budget.room(GRADIENT) == 1


def test_running_out_of_memory_halves_a_step_and_time_brings_it_back() -> None:
    budget = Budget(16, step_s=100)
    budget.halve(GRADIENT, 16)
    assert budget.room(GRADIENT) == 8
    assert budget.room(SCORES) == 16
    for _ in range(GROWTH):
        budget.learn(GRADIENT, clips=8, seconds=0.01)
    assert budget.room(GRADIENT) == 9
    budget.halve(GRADIENT, 1)
    assert budget.room(GRADIENT) == 1
