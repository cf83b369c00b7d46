"""Each term of the objective against its definition."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.reference.textbook import sorted_distance

from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.objective import DELETE, PRESERVE, MaskObjective
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import Goal, reference_preset

AREAS = [0.1, 0.3]
SIZE = 4 * 24 * 32


def mask_objective(case: Case, goal: Goal | None = None, **given: object) -> MaskObjective:
    parameters = PerturbationParameters.model_validate({"area": AREAS, **given})
    return MaskObjective(case, parameters, reference_preset(goal or Goal(score=1.0)))


@pytest.fixture
def masks() -> torch.Tensor:
    return torch.rand(2, 4, 24, 32)


def test_a_games_objective_is_the_logarithm_of_the_wanted_probability() -> None:
    logits = 3 * torch.randn(6, 5)
    targets = torch.full((6,), 2)
    probability = logits.double().softmax(dim=1)[:, 2]
    for game, wanted in ((PRESERVE, probability), (DELETE, 1 - probability)):
        objective = game.objective.of(logits, targets).double()
        torch.testing.assert_close(objective, wanted.log(), rtol=1e-5, atol=1e-6)


def test_a_certain_network_leaves_both_objectives_finite() -> None:
    logits, targets = torch.tensor([[100.0, 0.0], [-100.0, 0.0]]), torch.tensor([0, 0])
    assert PRESERVE.objective.of(logits, targets).tolist() == [0, -100]
    assert DELETE.objective.of(logits, targets).tolist() == [-100, 0]


def test_preserving_shows_the_masks_inside_and_deleting_its_outside(masks: torch.Tensor) -> None:
    assert torch.equal(PRESERVE.shown(masks), masks)
    assert torch.equal(DELETE.shown(masks), 1 - masks)


@pytest.mark.parametrize(
    ("variant", "games"),
    [("preserve", [PRESERVE]), ("delete", [DELETE]), ("dual", [PRESERVE, DELETE])],
)
def test_a_variant_has_its_games(case: Case, variant: str, games: list[object]) -> None:
    assert list(mask_objective(case, variant=variant).games) == games


@pytest.mark.parametrize("by_frame", [False, True])
def test_the_area_term_is_that_of_the_visible_clip(
    case: Case, masks: torch.Tensor, by_frame: bool
) -> None:
    objective = mask_objective(case, Goal(score=1.0, by_frame=by_frame))
    rows = masks.reshape(2, 4 if by_frame else 1, -1)
    for term, row, area in zip(objective.area(masks), rows, AREAS, strict=True):
        torch.testing.assert_close(term, sorted_distance(row, area))


@pytest.mark.parametrize("by_frame", [False, True])
def test_a_hard_mask_has_its_area_and_no_area_term(
    case: Case, masks: torch.Tensor, by_frame: bool
) -> None:
    objective = mask_objective(case, Goal(score=1.0, by_frame=by_frame))
    hard = objective.hard(masks)
    assert hard.unique().tolist() == [0, 1]
    assert not objective.area(hard).any()
    for one, soft, area in zip(hard, masks, AREAS, strict=True):
        assert one.mean().item() == pytest.approx(area, abs=1e-3)
        if by_frame:
            for frame in one:
                assert frame.mean().item() == pytest.approx(area, abs=1e-3)
        else:
            assert soft[one == 1].min() >= soft[one == 0].max()


def test_the_area_outside_of_the_clip_does_not_count(case: Case) -> None:
    """TorchRay counts an invisible margin, so a mask can show 1.4 times the area."""
    objective = mask_objective(case)
    masks = torch.zeros(2, SIZE)
    for mask, area in zip(masks, AREAS, strict=True):
        mask[: round(1.43 * area * SIZE)] = 1
    excess = objective.area(masks.view(2, 4, 24, 32))
    for term, area in zip(excess.tolist(), AREAS, strict=True):
        assert term == pytest.approx(0.43 * area, rel=0.01)


def test_without_a_core_the_core_term_is_0(case: Case, masks: torch.Tensor) -> None:
    assert not mask_objective(case).core(masks).any()


def test_the_core_term_prefers_the_areas_share_of_full_cells(case: Case) -> None:
    goal = Goal(score=1.0, core=300.0)
    preset = dataclasses.replace(reference_preset(goal), fine=False)
    parameters = PerturbationParameters.model_validate({"area": AREAS})
    objective = MaskObjective(case, parameters, preset)
    masks = torch.stack([torch.zeros(4, 24, 32), torch.ones(4, 24, 32)])
    nothing, everything = objective.core(masks).tolist()
    assert nothing == pytest.approx(AREAS[0], abs=0.01)
    assert everything == pytest.approx(1 - AREAS[1], abs=0.01)
