"""Each sentence of a summary against the numbers that it tells."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from videovisual.protocol import Answer, Explanation, Prediction
from videovisual.protocol.caveats import time_cells
from videovisual.protocol.sentences import percent, summarised
from videovisual.saliency import Saliency

Map = npt.NDArray[np.float32]

SIDE = 16
FRAMES = 8
IRONING = Prediction(index=0, label="ironing", probability=0.37, logit=3.0)
PAINTING = Prediction(index=1, label="spray painting", probability=0.33, logit=2.9)
WALKING = Prediction(index=2, label="walking", probability=0.04, logit=0.8)

REGIONS = {
    "the left half": (slice(None), slice(0, 8)),
    "the right half": (slice(None), slice(8, 16)),
    "the upper half": (slice(0, 8), slice(None)),
    "the lower half": (slice(8, 16), slice(None)),
    "the upper left quarter": (slice(0, 8), slice(0, 8)),
    "the upper right quarter": (slice(0, 8), slice(8, 16)),
    "the lower left quarter": (slice(8, 16), slice(0, 8)),
    "the lower right quarter": (slice(8, 16), slice(8, 16)),
    "the middle quarter": (slice(4, 12), slice(4, 12)),
}


def flat() -> Map:
    return np.ones((FRAMES, SIDE, SIDE), np.float32)


def explained(
    values: Map | None = None,
    target: Prediction = IRONING,
    predictions: tuple[Prediction, ...] = (IRONING, PAINTING, WALKING),
    *,
    signed: bool = False,
    faithfulness: dict[str, float | None] | None = None,
    diagnostics: dict[str, Any] | None = None,
    **provenance: Any,
) -> tuple[Explanation, Answer]:
    shown = flat() if values is None else values
    saliency = Saliency(shown, signed, diagnostics=diagnostics or {}, provenance=provenance)
    answer = Answer(model="i3d", predictions=list(predictions), clip={})
    explanation = Explanation.of(saliency, "step", target, faithfulness)
    return summarised(explanation, answer), answer


def told(values: Map | None = None, **given: Any) -> str:
    return explained(values, **given)[0].summary


def varied(values: Map) -> Map:
    """The map with one value changed a little, so that it isn't constant."""
    values = values.copy()
    values[0, 8, 8] *= 1.001
    return values


@pytest.mark.parametrize("name", REGIONS)
def test_where_is_the_part_that_holds_more_than_its_size(name: str) -> None:
    rows, columns = REGIONS[name]
    values = np.full((FRAMES, SIDE, SIDE), 0.25, np.float32)
    values[:, rows, columns] = 1
    share = values[:, rows, columns].sum() / values.sum()
    even = values[:, rows, columns].size / values.size
    text = told(values)
    assert f"{share:.0%} of it is in {name} of the model's crop ({even:.0%} if even)" in text
    assert "the evidence is spread nearly evenly over time" in text


def test_evidence_around_the_middle_is_told() -> None:
    values = flat()
    values[:, 4:12, 4:12] = 0.1
    share = 1 - 6.4 / (192 + 6.4)
    assert f"{share:.0%} of it is in the part around the middle quarter" in told(values)
    assert "(75% if even)" in told(values)


@pytest.mark.parametrize(("excess", "named"), [(0.099, False), (0.101, True)])
def test_a_part_is_named_only_if_it_holds_much_more_than_its_share(
    excess: float, named: bool
) -> None:
    values = flat()
    values[:, :, :8] = 0.5 + excess
    values[:, :, 8:] = 0.5 - excess
    text = told(values)
    assert ("in the left half of the model's crop (50% if even)" in text) == named
    assert ("it is spread nearly evenly over the model's crop" in text) == (not named)
    values = flat()
    values[:4], values[4:] = 0.5 + excess, 0.5 - excess
    assert ("of the evidence is in frames 0 to 3 (50% if even)" in told(values)) == named


def rising() -> Map:
    """60% of the evidence in frames 2 and 3."""
    values = flat()
    values[[2, 3]] = 9
    return values


def test_when_is_in_seconds_or_else_in_the_clips_own_frames() -> None:
    share = f"{18 / 24:.0%} of the evidence is in"
    assert f"{share} frames 2 to 3 (25% if even)" in told(rising())
    assert f"{share} frames 102 to 103 (" in told(rising(), frame_indices=range(100, 108))
    times = [0.04 * frame for frame in range(FRAMES)]
    assert f"{share} 0.08 to 0.12 s (25%" in told(rising(), timestamps=times)
    thrice = [frame // 4 for frame in range(FRAMES)]
    assert f"{share} frame 0 (" in told(rising(), frame_indices=thrice)


def test_when_is_no_finer_than_the_map_or_its_network() -> None:
    for given in ({"diagnostics": {"layer_shape": [2, 7, 7]}}, {"temporal_stride": 4}):
        text = told(rising(), **given)
        assert f"{20 / 24:.0%} of the evidence is in frames 0 to 3 (50% if even)" in text


def test_a_map_without_times_or_places_says_so() -> None:
    text = told(varied(flat()), diagnostics={"layer_shape": [1, 7, 7]})
    assert "the map tells no times apart, and the evidence is spread nearly evenly over" in text
    text = told(rising(), diagnostics={"cells": [8, 1, 1]})
    assert "frames 2 to 3 (25% if even), and the map tells no places apart" in text
    text = told(flat())
    assert "By step, the map is the same everywhere, so it tells neither when nor where." in text
    assert "% if even" not in text


@pytest.mark.parametrize("seed", range(25))
def test_the_named_parts_are_the_best_of_all(seed: int) -> None:
    """Against all runs of frames, and all regions, tried one by one."""
    random = np.random.default_rng(seed)
    lumps = random.random((FRAMES, 4, 4)) ** random.integers(1, 9)
    values = np.kron(lumps, np.ones((1, 4, 4))).astype(np.float32)
    stride = int(random.integers(1, 4))
    (explanation, _) = explained(values, temporal_stride=stride)
    shares = values.astype(np.float64) / values.astype(np.float64).sum()
    cells = time_cells(explanation)
    starts = [-(-cell * FRAMES // cells) for cell in range(cells + 1)]
    runs = {
        (first, last - 1): (shares[first:last].sum(), (last - first) / FRAMES)
        for first, last in itertools.combinations(starts, 2)
    }
    run, (share, even) = max(runs.items(), key=lambda each: each[1][0] - each[1][1])
    frames = f"frame {run[0]}" if run[0] == run[1] else f"frames {run[0]} to {run[1]}"
    when = f"{percent(share)} of the evidence is in {frames} ({percent(even)} if even)"
    assert (when in explanation.summary) == (share - even >= 0.1), explanation.summary
    parts = {
        name: (shares[:, rows, columns].sum(), shares[0, rows, columns].size / SIDE**2)
        for name, (rows, columns) in REGIONS.items()
    }
    inner = parts["the middle quarter"]
    parts["the part around the middle quarter"] = 1 - inner[0], 1 - inner[1]
    name, (share, even) = max(parts.items(), key=lambda each: each[1][0] - each[1][1])
    where = f"{percent(share)} of it is in {name} of the model's crop ({percent(even)} if even)"
    assert (where in explanation.summary) == (share - even >= 0.1), explanation.summary


NONE = Prediction(index=0, label="ironing", probability=None, logit=3.0)
LESS = Prediction(index=1, label="walking", probability=None, logit=1.25)


@pytest.mark.parametrize(
    ("target", "listed", "provenance", "first"),
    [
        (
            IRONING,
            (IRONING, PAINTING),
            {},
            "says ironing, 37.0%; close behind is spray painting, 33.0%",
        ),
        (IRONING, (IRONING, WALKING), {}, "says ironing, 37.0%; next is walking, 4.0%"),
        (IRONING, (IRONING,), {}, "says ironing, 37.0%"),
        (WALKING, (IRONING, PAINTING), {}, "says ironing, 37.0%; this map is for walking, 4.0%"),
        (
            PAINTING,
            (IRONING, PAINTING),
            {"scores": "sigmoid"},
            "gives spray painting 33.0%, each class judged by itself; of the others ironing "
            "has most, 37.0%",
        ),
        (IRONING, (IRONING,), {"scores": "sigmoid"}, "gives ironing 37.0%"),
        (NONE, (NONE, LESS), {}, "gives ironing its highest score, 3; next is walking, 1.25"),
        (LESS, (NONE, LESS), {}, "gives walking the score 1.25; its highest is ironing, 3"),
        (NONE, (NONE,), {}, "gives ironing the score 3"),
    ],
)
def test_what_the_model_says(
    target: Prediction, listed: tuple[Prediction, ...], provenance: dict[str, Any], first: str
) -> None:
    text = told(target=target, predictions=listed, **provenance)
    assert text.startswith(f"i3d {first}. By step, ")


def test_an_answer_near_chance_is_no_answer() -> None:
    text = told(varied(flat()), diagnostics={"prediction_entropy": 0.99})
    assert text.startswith("i3d hardly prefers any class: ironing has most, 37.0%; close behind")
    assert text.endswith("Against it: near chance.")


MEASURED: dict[str, float | None] = {"area": 0.1, "necessity": 0.9, "sufficiency": 0.6}
UNMEASURED = "How much the model depends on it was not measured."


def test_what_hiding_does_is_told_where_it_was_measured() -> None:
    text = told(faithfulness=MEASURED)
    assert (
        f"With the strongest 10% of the map hidden, ironing falls to {37 * 0.1:.1f}%, and with "
        f"nothing else shown it has {37 * 0.6:.1f}%, in the mean of several ways of hiding." in text
    )
    assert "ironing stays at 37.0%" in told(faithfulness=MEASURED | {"necessity": 0.0})
    text = told(target=NONE, predictions=(NONE,), faithfulness=MEASURED)
    assert (
        "ironing keeps 10% of its rise over the hidden clip, and with nothing else shown 60%"
        in text
    )
    assert UNMEASURED in told()
    assert UNMEASURED in told(faithfulness=MEASURED | {"necessity": None})
    assert UNMEASURED not in text


def test_what_a_searchs_mask_does_is_told_where_nothing_else_was_measured() -> None:
    small = {
        "area": 0.05,
        "achieved_area": 0.05,
        "probability_preserve": {"soft": 0.2, "hard": 0.2},
    }
    large = {"area": 0.1, "achieved_area": 0.1, "probability_preserve": {"soft": 0.35, "hard": 0.3}}
    both = large | {"probability_delete": {"soft": 0.04, "hard": 0.04}}
    deletes = {name: value for name, value in both.items() if name != "probability_preserve"}
    shown = "With nothing but the mask's 10% of the clip shown, ironing has 35.0%"
    assert f"{shown}. " in told(diagnostics={"areas": [small, large]})
    assert f"{shown}, and with it hidden 4.0%. " in told(diagnostics={"areas": [both]})
    text = told(diagnostics={"areas": [deletes]})
    assert "With the mask's 10% of the clip hidden, ironing has 4.0%. " in text
    assert "mask" not in told(diagnostics={"areas": [both]}, faithfulness=MEASURED)
    assert UNMEASURED in told(diagnostics={"areas": [{"area": 0.1, "achieved_area": 0.1}]})


def test_stability_is_never_rounded_up() -> None:
    measured = {"stability": 0.969, "stability_noise": 0.969, "stability_noise_overlap": 0.9}
    assert "maps of inputs that look the same correlate by 0.96 at least." in told(
        varied(flat()), faithfulness=measured
    )
    unstable = {"stability": 0.5, "stability_noise": 0.5, "stability_noise_overlap": 0.4}
    text = told(varied(flat()), faithfulness=unstable)
    assert "stable:" not in text
    assert "Against it: unstable" in text


def test_both_signs_and_one_side_are_told() -> None:
    values = flat()
    values[:, :, :4] = -1
    text = told(values, signed=True)
    assert "75% of the evidence speaks for ironing, 25% against it." in text
    assert "speaks for" not in told(values.clip(0), signed=False)
    text = told(rising(), polarity="negative")
    assert "75% of the evidence against ironing is in frames 2 to 3" in text
    assert "75% of the evidence for ironing is in" in told(rising(), polarity="positive")


def test_what_speaks_against_the_map_is_named() -> None:
    values = flat()
    values[0, 0, 0] = 2
    text = told(values, diagnostics={"partial": True}, looked_at_s=0.64, of_s=10.0)
    assert text.endswith("Against it: looked at 0.64 of 10.0 s, partial, maximum on the border.")
    values = rising()
    values[2, 8, 8] = 10
    assert told(values).endswith("None of the checks speaks against it.")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.001, "under 1%"), (0.62, "62%"), (0.997, "over 99%"), (0.9999, "100%")],
)
def test_a_percentage_is_all_or_nothing_only_if_it_is(share: float, text: str) -> None:
    assert percent(share) == text


def test_what_was_sent_gives_the_same_words() -> None:
    values = np.random.default_rng(0).random((FRAMES, SIDE, SIDE)).astype(np.float32) ** 8
    explanation, answer = explained(values, faithfulness=MEASURED, timestamps=[0.1] * FRAMES)
    sent = answer.model_copy(update={"explanations": [explanation]}).model_dump_json()
    again = Answer.model_validate_json(sent)
    assert summarised(again.explanations[0], again).summary == explanation.summary
