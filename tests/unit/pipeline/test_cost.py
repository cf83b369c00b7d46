"""What a request costs, known before it is run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from videovisual.attribution.baseline import noise
from videovisual.attribution.catalogue import find
from videovisual.attribution.method import Case
from videovisual.errors import TooLarge
from videovisual.faithfulness import EVALUATION
from videovisual.pipeline.cost import MAP_COPIES, Cost, check_passes, passes_of
from videovisual.pipeline.multiview import MAX_WINDOWS
from videovisual.pipeline.plan import Plan
from videovisual.protocol import split_options
from videovisual.zoo import Classifier

SHAPE = (16, 224, 224)


def planned(classifier: Classifier, **given: Any) -> Plan:
    return Plan.of(classifier, *split_options(given))


@pytest.mark.parametrize(
    ("method", "given", "count"),
    [
        ("gradient", {}, 1),
        ("grad_cam", {}, 2),
        ("grad_cam", {"baseline": "none"}, 1),
        ("smooth_grad", {"samples": 40}, 40),
        ("ig", {"steps": 10}, 12),
        ("ig", {"steps": 10, "baseline": "noise", "noise_baselines": 64}, 64 * 11 + 1),
        ("ig", {"steps": 10, "noise_baselines": 64}, 12),
        ("ig", {"steps": 10, "tolerance": 0.1}, 812),
        ("rise", {"masks": 300}, 300),
        ("lime", {"samples": 80}, 80),
        ("frame_shapley", {}, 256),
        ("frame_shapley", {"segments": 10, "permutations": 2000}, 1024),
        ("frame_shapley", {"segments": 64, "permutations": 10}, 10 * 15 + 2),
        ("occlusion", {"stride": 1, "stride_frames": 1}, 1 + 13 * 169**2),
        ("occlusion", {"box": 1, "box_frames": 1}, 1 + 16 * 224 * 224),
        ("ep_3d", {"iterations": 50, "preset": "quick"}, 54),
        ("ep_3d", {"iterations": 40}, 44 + 32 + 94 + 2 * 12),
        (
            *("ep_3d", {"iterations": 40, "area": "0.1,0.2", "variant": "dual"}),
            (4 * 42 + 2) + (60 + 2) + (4 * 92 + 2) + 2 * (40 + 2),
        ),
        ("step", {"iterations": 50, "area": "0.1,0.2", "variant": "dual"}, 4 * 52 + 2),
        ("ep_2d", {"preset": "reference"}, 2004),
    ],
)
def test_passes(method: str, given: dict[str, Any], count: int) -> None:
    assert find(method).parse(given).passes(SHAPE) == count


def test_passes_add_up_over_methods_and_targets(small: Classifier) -> None:
    plan = planned(small, method=["gradient", "rise"], masks=300, target=["0", "1"], evaluate=True)
    assert passes_of(plan) == [2 * (1 + EVALUATION), 2 * (300 + EVALUATION)]
    assert Cost.of(plan).passes == 1 + sum(passes_of(plan))


def test_stability_runs_a_method_five_times(small: Classifier) -> None:
    plan = planned(small, method=["gradient", "rise"], masks=300, evaluate=True, stability=True)
    assert passes_of(plan) == [5 + EVALUATION, 1500 + EVALUATION]
    with pytest.raises(TooLarge, match=r"1607 of them for rise.*Change masks or stability"):
        check_passes(planned(small, method="rise", masks=300, stability=True, evaluate=True), 1607)


def test_too_many_passes_are_refused_with_what_to_change(small: Classifier) -> None:
    plan = planned(small, method=["gradient", "rise"], masks=300, target=["0", "1"])
    check_passes(plan, 603)
    with pytest.raises(TooLarge, match=r"603 passes.*600 of them for rise.*masks or target"):
        check_passes(plan, 602)


def test_windows_are_passes_too(small: Classifier) -> None:
    check_passes(planned(small, views=30), 30)
    for given in ({"views": 30}, {"timeline": True}):
        with pytest.raises(TooLarge, match=r"for windows.*views or timeline"):
            check_passes(planned(small, **given), 29)


def test_the_best_of_all_windows_costs_a_pass_each(small: Classifier) -> None:
    plan = planned(small, method="gradient", window="best")
    check_passes(plan, MAX_WINDOWS + 2)
    with pytest.raises(TooLarge, match="for windows"):
        check_passes(plan, MAX_WINDOWS + 1)


def test_memory_grows_with_maps_and_pictures_but_not_with_passes(small: Classifier) -> None:
    one = Cost.of(planned(small, method="rise", masks=2))
    assert Cost.of(planned(small, method="rise", masks=20000)).held == one.held
    pixels = 4 * planned(small).shape[0] * planned(small).shape[1] * planned(small).shape[2]
    two = Cost.of(planned(small, method="rise", target=["0", "1"]))
    assert two.held - one.held == MAP_COPIES * pixels
    assert Cost.of(planned(small, method="rise", output="gif")).held > one.held
    assert two.reply == 2 * pixels * 4 // 3
    assert Cost.of(planned(small, method="rise", output="png")).reply == 0


def test_noise_is_drawn_one_by_one_as_all_at_once(small: Classifier) -> None:
    case = Case(torch.zeros(3, 4, 9, 7), 0, small.card, seed=3)
    drawn = torch.rand(5, 3, 4, 9, 7, generator=torch.Generator().manual_seed(3))
    black, white = case.flat(0.0), case.flat(1.0)
    assert torch.equal(torch.stack(list(noise(case, 5))), black + drawn * (white - black))
