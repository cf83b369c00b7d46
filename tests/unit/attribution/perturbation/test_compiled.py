"""The compiled passage beside the traced one, and its loops beside NumPy and torch."""

from __future__ import annotations

import dataclasses
import threading
from importlib import metadata
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.unit.attribution.perturbation.conftest import SHAPE, case_of

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation import compiler, ep_2d, ep_3d, step
from videovisual.attribution.perturbation.compiled import Compiled
from videovisual.attribution.perturbation.kernels.area import border
from videovisual.attribution.perturbation.kernels.masks import exponential
from videovisual.attribution.perturbation.landscape import Landscape
from videovisual.attribution.perturbation.passage import Felt, Passage, Traced
from videovisual.attribution.perturbation.preset import Preset
from videovisual.attribution.perturbation.pyramid import Pyramid
from videovisual.attribution.perturbation.search import search
from videovisual.engine.engine import run
from videovisual.engine.oracle import Oracle

PRESETS = {
    f"{method.__name__.rpartition('.')[2]}-{name}": preset
    for method in (ep_2d, ep_3d, step)
    for name, preset in method.PRESETS.items()
}
GIVEN: list[dict[str, Any]] = [
    {},
    {"variant": "delete", "area": [0.02]},
    {"variant": "dual", "area": [0.05, 0.3, 0.9], "perturbation": "fade"},
]
WEIGHTS = torch.tensor([300.0, 200.0])


def passages(case: Case, preset: Preset, parameters: PerturbationParameters) -> list[Passage]:
    landscape = Landscape(case, parameters, preset)
    pyramid = Pyramid.of(case, parameters.perturbation, preset.blur)
    targets = case.targets(len(parameters.area))
    return [
        Traced(landscape, pyramid, targets, cored=True),
        Compiled(landscape, pyramid, targets),
    ]


def felt(passage: Passage, coarse: torch.Tensor, seed: int = 0) -> tuple[list[torch.Tensor], Felt]:
    """What is shown, and what is felt by answers that depend on the seed."""
    views = passage.there(coarse, WEIGHTS)
    torch.manual_seed(seed)
    logits = [torch.randn(len(coarse), 5) for _ in views]
    return list(views), passage.back(logits, [torch.randn_like(view) for view in views])


@pytest.mark.parametrize("shape", [(4, 24, 32), (3, 31, 50), (1, 64, 64), (9, 16, 17)])
@pytest.mark.parametrize("given", GIVEN, ids=["preserve", "delete", "dual"])
@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_it_is_the_traced_one(
    preset: Preset, given: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    parameters = PerturbationParameters.model_validate(given)
    case = case_of(torch.randn(3, *shape))
    there, here = passages(case, preset, parameters)
    cells = Landscape(case, parameters, preset).cells
    for seed in range(3):  # each in the room that the one before has left
        coarse = torch.rand(len(parameters.area), *cells) ** 2
        coarse[:, :, ::3] = seed % 2
        views, theirs = felt(there, coarse, seed)
        own_views, ours = felt(here, coarse, seed)
        for view, own in zip(views, own_views, strict=True):
            torch.testing.assert_close(own, view, rtol=0, atol=1e-5)
        torch.testing.assert_close(ours.objective, theirs.objective, rtol=2e-6, atol=1e-6)
        torch.testing.assert_close(ours.gain, theirs.gain, rtol=1e-6, atol=0)
        # A pixel at the area's border may be on the other side by its last bit.
        off = (ours.gradient - theirs.gradient).abs() > 2e-5 * theirs.gradient.abs().max()
        assert off.float().mean() < 0.05
        angle = torch.cosine_similarity(ours.gradient.flatten(), theirs.gradient.flatten(), dim=0)
        assert angle > 1 - 1e-5


@given(
    arrays(
        np.float32,
        st.integers(1, 300),
        elements=st.one_of(
            st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1, width=32, allow_subnormal=True)
        ),
    ),
    st.data(),
)
def test_the_border_is_that_of_the_sorted_values(
    values: np.ndarray[Any, np.dtype[np.float32]], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(values)))
    values = np.abs(values)  # −0 is larger than any by its bits, and no mask has one
    least, larger, same = border(values, count)
    assert least == np.sort(values)[-count]
    assert larger == (values > least).sum()
    assert same == (values == least).sum()


def test_the_exponential_is_right_to_the_last_bits() -> None:
    for x in np.linspace(0, 20, 2001, dtype=np.float32):
        assert abs(exponential(x) / np.exp(np.float64(x)) - 1) < 2.5e-7


def test_what_is_not_a_number_costs_no_more_than_the_answer() -> None:
    case = case_of(torch.randn(3, *SHAPE))
    parameters = PerturbationParameters(area=(0.1,))
    _, passage = passages(case, PRESETS["step-default"], parameters)
    coarse = torch.full((1, *Landscape(case, parameters, PRESETS["step-default"]).cells), torch.nan)
    _, wrong = felt(passage, coarse)
    assert not wrong.objective.isfinite().any()
    fresh = passages(case, PRESETS["step-default"], parameters)[1]
    right = torch.rand_like(coarse.nan_to_num())
    after, before = felt(passage, right)[1], felt(fresh, right)[1]
    assert after.gradient.equal(before.gradient)
    assert after.objective.equal(before.objective)


def test_several_searches_at_once_are_each_as_alone(toy: Oracle) -> None:
    cases = [case_of(torch.randn(3, *SHAPE), compiled=True) for _ in range(3)]
    parameters = PerturbationParameters(area=(0.1,), iterations=12)

    def found(case: Case) -> Any:
        return run(toy, search(case, parameters, PRESETS["ep_3d-default"])).map

    alone = [found(case) for case in cases]
    together: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda at=at, case=case: together.update({at: found(case)}))
        for at, case in enumerate(cases)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at, map_alone in enumerate(alone):
        np.testing.assert_array_equal(together[at], map_alone)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_search_says_what_compiled_it(toy: Oracle, traced: Case, compiled: bool) -> None:
    case = dataclasses.replace(traced, compiled=compiled)
    parameters = PerturbationParameters(area=(0.1,), iterations=2)
    facts = run(toy, search(case, parameters, PRESETS["ep_3d-default"])).diagnostics
    assert facts["compiled_by"] == (f"numba {metadata.version('numba')}" if compiled else None)


def test_large_clips_and_places_without_a_compiler_do_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, large = torch.empty(3, 16, 64, 64), torch.empty(3, 16, 112, 112)
    assert compiler.suits(small)
    assert not compiler.suits(large)
    assert not compiler.suits(small.to("meta"))
    monkeypatch.setattr(compiler, "PACKAGE", "no-such-compiler")
    compiler.name.cache_clear()
    try:
        assert not compiler.suits(small)
    finally:
        compiler.name.cache_clear()
