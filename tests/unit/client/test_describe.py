"""An explanation in words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.client.fake_server import answer

from videovisual_client.describe import describe


def lines(**diagnostics: Any) -> list[str]:
    explanation = answer().explanations[0]
    return list(describe(explanation.model_copy(update={"diagnostics": diagnostics})))


def test_when_and_where() -> None:
    first, second, *_ = lines()
    assert first == (
        "gradient for ironing: the model looked most at frame 1 (0.50 s), 75% of all saliency "
        "(50% if even)"
    )
    assert "frame 1 (0.50 s), 50% from the left and 50% from the top" in second


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456, "0.1235"),
        (7, "7"),
        ([9.0, 5.0, 3.0, 2.0, 1.5], "9 … 1.5 (5 values)"),
        ([1.0, 2.0], "1; 2"),
        ([{"area": 0.1, "hard": {"p": 0.5}}], "area 0.1, hard p 0.5"),
    ],
)
def test_diagnostics_are_short(value: Any, shown: str) -> None:
    assert f"  fact: {shown}" in lines(fact=value)


def test_a_map_that_failed_its_checks_says_so() -> None:
    text = lines(converged=False, iterations=20)
    assert any(line.startswith("  caution! Not converged") for line in text)
    assert not any("caution" in line for line in lines(converged=True))


def test_frames_that_the_map_cannot_tell_apart_are_named_together() -> None:
    explanation = answer().explanations[0]
    frames = explanation.map.shape[0]
    whole = explanation.model_copy(
        update={
            "map": explanation.map.model_copy(update={"shape": (16, *explanation.map.shape[1:])}),
            "curve": [0.01] * 8 + [0.115] * 8,
            "peak": (12, 1, 1),
            "diagnostics": {"layer_shape": [2, 7, 7]},
            "provenance": {**explanation.provenance, "timestamps": [i / 25 for i in range(16)]},
        }
    )
    first, second, *_ = describe(whole)
    assert frames != 16
    assert "looked most at frames 8 to 15 (0.32 to 0.60 s), 92% of all saliency (50% if" in first
    assert "frames 8 to 15" in second
    timeless = whole.model_copy(update={"diagnostics": {"layer_shape": [1, 7, 7]}})
    assert "tells no time" in next(describe(timeless))


def test_a_constant_map_has_no_strongest_point() -> None:
    told = lines(constant=True)
    assert told[0].endswith("the map is the same everywhere")
    assert not any("strongest point" in line for line in told)
