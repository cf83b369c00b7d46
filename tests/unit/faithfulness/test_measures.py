from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from videovisual import faithfulness
from videovisual.attribution.method import Case
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.saliency import Saliency
from videovisual.zoo import Classifier, card


class Corner(nn.Module):
    """Its only evidence for class 1 is what stands in one corner of frames 4 to 7."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(8.0))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        seen = clips[:, :, 4:8, :16, :16]
        evidence = self.scale * (seen - seen.mean(dim=(3, 4), keepdim=True)).square().mean(
            (1, 2, 3, 4)
        )
        return torch.stack([torch.ones_like(evidence), evidence], dim=1)


@pytest.fixture
def runner() -> ModelRunner:
    return ModelRunner(Corner(), "cpu", batch=4)


@pytest.fixture
def case() -> Case:
    clip = torch.randn(3, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    return Case(clip, target=1, card=card("r3d-motion"), batch=4)


@pytest.fixture
def evidence() -> np.ndarray:
    mask = np.zeros((8, 64, 64), dtype=bool)
    mask[4:8, :16, :16] = True
    return mask


def test_the_true_map_beats_its_opposite(
    runner: ModelRunner, case: Case, evidence: np.ndarray
) -> None:
    true = Saliency(evidence.astype(np.float32), signed=False)
    opposite = Saliency((~evidence).astype(np.float32), signed=False)
    good = run(runner, faithfulness.evaluate(case, true))
    bad = run(runner, faithfulness.evaluate(case, opposite))
    assert good.insertion > bad.insertion + 0.5
    assert good.deletion < bad.deletion - 0.5
    assert good.sensitivity_n > 0.9
    assert bad.sensitivity_n < 0.2
    assert good.relative_delta is None


def test_the_curves_begin_and_end_with_the_whole_clip(runner: ModelRunner, case: Case) -> None:
    values = np.random.default_rng(0).random((8, 64, 64)).astype(np.float32)
    insertion, deletion = run(runner, faithfulness.insertion_deletion(case, values, points=1))
    assert insertion == pytest.approx(deletion, abs=1e-6)


def test_pointing(evidence: np.ndarray) -> None:
    values = np.zeros((8, 64, 64), dtype=np.float32)
    values[4:6, 3, 3] = 1
    values[6, 18, 18] = 1
    values[7, 40, 40] = 1
    assert faithfulness.pointing(values, evidence) == 0.5
    assert faithfulness.pointing(values, evidence, tolerance=3) == 0.75
    assert faithfulness.pointing(np.ones_like(values), evidence) == 0
    with pytest.raises(ValueError, match="No frame has evidence"):
        faithfulness.pointing(values, np.zeros_like(evidence))


def test_iou(evidence: np.ndarray) -> None:
    area = float(evidence.mean())
    assert faithfulness.iou(evidence.astype(np.float32), evidence, area) == 1
    assert faithfulness.iou((~evidence).astype(np.float32), evidence, area) == 0
    assert faithfulness.iou(evidence.astype(np.float32), evidence, 2 * area) == pytest.approx(0.5)


def test_randomised_has_other_weights_and_leaves_the_first_alone(small: Classifier) -> None:
    before = {key: value.clone() for key, value in small.network.state_dict().items()}
    other = faithfulness.randomised(small, seed=3)
    again = faithfulness.randomised(small, seed=3)
    key = "layer4.0.conv1.0.weight"
    assert not torch.equal(other.network.state_dict()[key], before[key])
    assert torch.equal(other.network.state_dict()[key], again.network.state_dict()[key])
    assert all(torch.equal(value, before[key]) for key, value in small.network.state_dict().items())


def test_similarity() -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal((4, 8, 8)).astype(np.float32)
    second = rng.standard_normal((4, 8, 8)).astype(np.float32)
    assert faithfulness.similarity(first, -3 * first) == pytest.approx(1)
    assert abs(faithfulness.similarity(first, second)) < 0.2
