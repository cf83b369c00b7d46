from __future__ import annotations

from typing import Any

import pytest
from tests.unit.render.made import answer, saliency

from videovisual.protocol.caveats import caveats


def caveats_of(faithfulness: dict[str, float | None] | None = None, **facts: Any) -> list[str]:
    (explanation,) = answer(saliency(**facts)).explanations
    return list(caveats(explanation.model_copy(update={"faithfulness": faithfulness})))


def mask(**facts: Any) -> dict[str, Any]:
    return {"probability_clip": 0.9, "areas": [{"area": 0.1, "achieved_area": 0.1, **facts}]}


def test_a_sound_map_has_no_caveats() -> None:
    kept = {"soft": 0.85, "hard": 0.8}
    lost = {"soft": 0.05, "hard": 0.1}
    assert caveats_of() == []
    assert caveats_of(relative_delta=0.04, partial=False, converged=True) == []
    assert caveats_of(**mask(probability_preserve=kept, probability_delete=lost)) == []
    assert caveats_of({"insertion": 0.6, "deletion": 0.2, "relative_delta": None}) == []


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"partial": True}, "Partial"),
        ({"converged": False, "iterations": 60}, "Not converged: after 60"),
        ({"converged": False, "steps": 810, "relative_delta": 0.02}, "after 810 steps the points"),
        ({"relative_delta": 0.123}, "miss the rise of the logit by 12%"),
        (mask(achieved_area=0.05), "shows 5.0% of the clip, and 10.0%"),
        (mask(probability_preserve={"soft": 0.2, "hard": 0.2}), "Target not kept"),
        (mask(probability_preserve={"soft": 0.8, "hard": 0.1}), "keeps 10% of the target"),
        (mask(probability_delete={"soft": 0.8, "hard": 0.8}), "Target not lost"),
        (mask(probability_delete={"soft": 0.1, "hard": 0.8}), "half-hidden"),
    ],
)
def test_each_failed_check_gives_a_caveat(facts: dict[str, Any], says: str) -> None:
    (text,) = caveats_of(**facts)
    assert says in text


def test_an_unlikely_target_gives_a_caveat() -> None:
    (explanation,) = answer(saliency()).explanations
    unlikely = explanation.target.model_copy(update={"probability": 0.003})
    (text,) = caveats(explanation.model_copy(update={"target": unlikely}))
    assert "the model gives this class 0.3% only" in text


def test_insertion_below_deletion_gives_a_caveat() -> None:
    (text,) = caveats_of({"insertion": 0.3, "deletion": 0.7})
    assert "Not faithful" in text
    assert caveats_of({"insertion": 0.01, "deletion": 0.02}) == []


def test_a_map_without_a_place_and_a_measure_without_a_value_are_told() -> None:
    (told,) = caveats_of(constant=True)
    assert told.startswith("Constant: the map has the same value everywhere")
    (told,) = caveats_of({"sensitivity_n": None}, undefined={"sensitivity_n": "it is flat"})
    assert told == "Undefined: sensitivity_n has no value, because it is flat."
