"""An explanation in words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.client.fake_server import answer

from videovisual_client.describe import describe, strongest_time


def lines(**diagnostics: Any) -> list[str]:
    explanation = answer().explanations[0]
    return list(describe(explanation.model_copy(update={"diagnostics": diagnostics})))


def test_when_and_where() -> None:
    first, second, *_ = lines()
    assert first == "gradient for ironing"
    assert "frame 1 (0.50 s), 50% from the left and 50% from the top" in second
    told = strongest_time(answer().explanations[0])
    assert told == "frame 1 (0.50 s), 75% of all saliency (50% if even)"


def test_the_summary_is_the_answers_own() -> None:
    explanation = answer().explanations[0].model_copy(update={"summary": "In short."})
    assert list(describe(explanation))[:2] == ["gradient for ironing", "  In short."]


def test_frames_have_the_numbers_of_the_clip() -> None:
    explanation = answer().explanations[0]
    facts = explanation.provenance | {"frame_indices": [120, 129]}
    named = explanation.model_copy(update={"provenance": facts})
    assert "  strongest point: frame 129 (0.50 s)" in "\n".join(describe(named))
    assert str(strongest_time(named)).startswith("frame 129 (0.50 s), ")


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
    assert frames != 16
    when = "frames 8 to 15 (0.32 to 0.60 s), 92% of all saliency (50% if even)"
    assert strongest_time(whole) == when
    assert "strongest point: frames 8 to 15" in "\n".join(describe(whole))
    timeless = whole.model_copy(update={"diagnostics": {"layer_shape": [1, 7, 7]}})
    assert strongest_time(timeless) is None


def test_a_constant_map_has_no_strongest_point() -> None:
    told = lines(constant=True)
    assert not any("strongest point" in line for line in told)
