from __future__ import annotations

from typing import Any

import pytest
from tests.unit.render.made import answer, saliency

from videovisual.protocol.caveats import caveats, clip_caveats, time_cells
from videovisual_client.describe import strongest_time


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
    assert caveats_of(r2=0.7, r2_left_out=0.6) == []
    assert caveats_of(shares=[1, -2], standard_errors=[0.1, 0.4]) == []
    assert caveats_of(shares=[1, -2], standard_errors=None) == []


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"partial": True}, "Partial"),
        ({"converged": False, "iterations": 60}, "Not converged: after 60"),
        ({"converged": False, "steps": 810, "relative_delta": 0.02}, "after 810 steps the points"),
        ({"r2": 0.7, "r2_left_out": 0.2}, "Badly fitted: the linear model predicts 20%"),
        ({"r2": 0.7, "r2_left_out": -3.0}, "predicts 0%"),
        ({"shares": [1, -2], "standard_errors": [0.1, 0.6]}, "Uncertain shares"),
        ({"relative_delta": 0.123}, "miss the rise of the logit by 12%"),
        (mask(achieved_area=0.05), "shows 5.0% of the clip, and 10.0%"),
        (mask(probability_preserve={"soft": 0.2, "hard": 0.2}), "Target not kept"),
        (mask(probability_preserve={"soft": 0.8, "hard": 0.1}), "Perhaps lives on half-shown"),
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


def test_a_mask_behind_which_the_target_has_more_than_in_the_clip_is_a_pattern() -> None:
    gained = {"soft": 0.95, "hard": 0.9}
    areas = [{"area": 0.1, "achieved_area": 0.1, "probability_preserve": gained}]
    (text,) = caveats_of(probability_clip=0.6, areas=areas)
    assert "behind the mask the target has 95%, in the whole clip 60%" in text
    assert caveats_of(probability_clip=0.64, areas=areas) == []


def kept(sufficiency: float, **others: float) -> dict[str, float | None]:
    plain = {"area": 0.1, "sufficiency_spread": 0.1, "sufficiency_floor": 0.05}
    return {**plain, "sufficiency": sufficiency, "sufficiency_held": 0.5, **others}


def test_what_a_search_found_its_map_to_keep_decides_until_more_is_measured() -> None:
    facts = mask(probability_preserve={"soft": 0.8, "hard": 0.1})
    assert caveats_of(kept=0.5, **facts) == []
    (text,) = caveats_of(kept=0.14, **facts)
    assert text.startswith("Does not hold: with only the map's upper area the target keeps 14%")
    lost = mask(probability_delete={"soft": 0.1, "hard": 0.1})
    (text,) = caveats_of(kept=0.2, **lost)
    assert text.startswith("Does not hold: without the map's upper area the target loses 20%")
    assert caveats_of(kept(0.8), kept=0.14, **facts) == []
    (unknown,) = caveats_of(kept=None, **facts)
    assert unknown.startswith("Perhaps lives on half-shown pixels")


def test_a_map_that_holds_only_by_its_spots_says_so() -> None:
    facts = mask(probability_preserve={"soft": 0.8, "hard": 0.8})
    (text,) = caveats_of(kept=0.9, kept_blurred=0.44, **facts)
    assert text.startswith("Fine pattern: with only the map's upper area the target keeps 90%, and")
    assert "44% where the map is slightly blurred" in text
    assert caveats_of(kept(0.8), kept=0.9, kept_blurred=0.44, **facts) == [text]
    assert caveats_of(kept=0.9, kept_blurred=0.46, **facts) == []
    assert caveats_of(kept=0.9, kept_blurred=None, **facts) == []
    (other,) = caveats_of(kept=0.4, kept_blurred=0.1, **facts)
    assert other.startswith("Does not hold")
    lost = mask(probability_delete={"soft": 0.1, "hard": 0.1})
    (text,) = caveats_of(kept=0.9, kept_blurred=0.2, **lost)
    assert text.startswith("Fine pattern: without the map's upper area the target loses 90%")


def test_half_shown_pixels_are_judged_by_many_ways_of_hiding() -> None:
    """Where sufficiency was measured, it decides; the hard cut's own edge may be the reason."""
    facts = mask(probability_preserve={"soft": 0.8, "hard": 0.1})
    assert caveats_of(kept(0.8), **facts) == []
    (text,) = caveats_of(kept(0.3), **facts)
    assert text.startswith("Lives on half-shown pixels: with only the strongest 10.0% of the map")
    assert "keeps 30% of its probability" in text
    deleted = mask(probability_delete={"soft": 0.05, "hard": 0.1})
    assert caveats_of(kept(0.3), **deleted) == []


def test_what_the_measures_say_against_a_map_is_told() -> None:
    assert caveats_of(kept(0.3)) == []
    (text,) = caveats_of(kept(0.05))
    assert text.startswith("Not sufficient: ")
    (text,) = caveats_of(kept(0.6, sufficiency_spread=0.4))
    assert "at least half of it in 50% of the ways" in text
    (text,) = caveats_of(
        {
            "stability_noise": 0.8,
            "stability_noise_overlap": 0.64,
            "stability_seed": 0.85,
            "stability_seed_overlap": 0.7,
            "stability_frame": None,
            "stability_frame_overlap": 0.1,
        }
    )
    assert text.startswith("Unstable: with noise that no one sees the map is another one")
    assert "correlation 0.80; of the strongest pixels of both, 64%" in text
    assert caveats_of({"stability_noise": 0.95, "stability_noise_overlap": 0.7}) == []


def test_measures_without_a_value_for_one_reason_are_told_together() -> None:
    (text,) = caveats_of(undefined={"sufficiency": "of this", "necessity": "of this"})
    assert text == "Undefined: sufficiency, necessity have no value, because of this."


def placed(peak: tuple[int, int, int], **facts: Any) -> list[str]:
    (explanation,) = answer(saliency(**facts)).explanations
    return list(caveats(explanation.model_copy(update={"peak": peak})))


@pytest.mark.parametrize(
    ("peak", "cells", "at_border"),
    [
        ((2, 5, 15), [6, 7, 7], True),
        ((2, 15, 5), [6, 7, 7], True),
        ((2, 1, 5), [6, 7, 7], True),
        ((2, 5, 5), [6, 7, 7], False),
        ((2, 5, 15), [6, 4, 4], False),
        ((2, 0, 5), None, True),
        ((2, 5, 15), None, True),
        ((2, 1, 5), None, False),
    ],
)
def test_a_maximum_on_the_border_gives_a_caveat(
    peak: tuple[int, int, int], cells: list[int] | None, at_border: bool
) -> None:
    found = placed(peak, layer_shape=cells) if cells else placed(peak)
    assert [text.partition(":")[0] for text in found] == ["Maximum on the border"] * at_border


def test_a_map_of_few_time_cells_says_so() -> None:
    (text,) = placed((2, 5, 5), cells=[3, 1, 1])
    assert "3 time cells" in text
    assert placed((2, 0, 0), cells=[8, 1, 1]) == []
    (text,) = placed((2, 5, 5), layer_shape=[2, 7, 7])
    assert text.startswith("2 time cells: ")
    assert "6 frames" in text
    assert placed((2, 5, 5), layer_shape=[4, 7, 7]) == []


def test_a_map_finer_than_its_network_in_time_says_so() -> None:
    (explanation,) = answer(saliency(stride=2)).explanations
    (text,) = caveats(explanation)
    assert text.startswith("Finer than the network: its first layer moves by 2 frames at once")
    assert time_cells(explanation) == 3
    assert str(strongest_time(explanation)).startswith("frames 2 to 3, 100% of all saliency")
    (coarse,) = answer(saliency(stride=2, layer_shape=[3, 7, 7])).explanations
    assert "Finer" not in "".join(caveats(coarse))
    assert time_cells(coarse) == 3
    (fine,) = answer(saliency(stride=1)).explanations
    assert list(caveats(fine)) == []
    assert time_cells(fine) == 6


def test_a_prediction_near_chance_gives_a_caveat() -> None:
    (text,) = caveats_of(prediction_entropy=0.97)
    assert text.startswith("Near chance: ")
    assert caveats_of(prediction_entropy=0.9) == []


def test_an_evaluation_that_was_cut_off_is_told() -> None:
    (text,) = caveats_of(evaluated=False)
    assert text.startswith("Not evaluated: ")


def test_the_steps_that_are_advised_are_a_number_that_is_allowed() -> None:
    (text,) = caveats_of(relative_delta=0.08, steps=12)
    assert "Take about 29 steps, or tolerance=0.05" in text
    (text,) = caveats_of(relative_delta=5.0, steps=12)
    assert "Take another baseline" in text


SOURCE = {"width": 344, "height": 256}


def test_a_clip_outside_of_the_models_world_gives_a_caveat() -> None:
    made_for = {"name": "Motion", "size": [64, 64]}
    (text,) = clip_caveats({"made_for": made_for, "source": SOURCE})
    assert text.startswith("Made for Motion: ")
    assert "344 x 256" in text
    own = {"made_for": made_for, "source": {"width": 64, "height": 64}}
    assert list(clip_caveats(own)) == []
    assert list(clip_caveats({"source": SOURCE})) == []


def test_a_window_much_shorter_than_the_clip_gives_a_caveat() -> None:
    (text,) = clip_caveats({"looked_at_s": 0.64, "of_s": 10.0})
    assert text.startswith("Looked at 0.64 of 10.0 s: ")
    assert list(clip_caveats({"looked_at_s": 1.28, "of_s": 1.5})) == []


def test_a_map_without_a_place_and_a_measure_without_a_value_are_told() -> None:
    (told,) = caveats_of(constant=True)
    assert told.startswith("Constant: the map has the same value everywhere")
    (told,) = placed((0, 0, 0), constant=True)
    assert told.startswith("Constant: ")
    (told,) = caveats_of({"sensitivity_n": None}, undefined={"sensitivity_n": "it is flat"})
    assert told == "Undefined: sensitivity_n has no value, because it is flat."
