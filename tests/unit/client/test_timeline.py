"""Moments of a timeline: where a class leads, and which are explained."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

import numpy as np
import pytest

from videovisual.protocol import Answer, Prediction, Second
from videovisual_client.timeline import Moment, Score, Timeline, Window, strongest

LABELS = {0: "ironing", 1: "juggling", 2: "abseiling"}


def timeline(*rows: dict[int, float], raw: bool = False) -> Timeline:
    """A window for each row of scores by class."""
    windows = []
    for second, row in enumerate(rows):
        ranked = sorted(row.items(), key=lambda item: -item[1])
        scores = tuple(Score(index, None if raw else value, value) for index, value in ranked)
        windows.append(Window(second, second + 1, (second - 1.0, second + 2.0), scores))
    return Timeline(dict(LABELS), windows)


def told(moments: list[Moment]) -> list[tuple[int, float, float, float]]:
    return [(each.index, each.start_s, each.end_s, each.best.start_s) for each in moments]


SCENES = ({0: 0.6, 1: 0.3}, {0: 0.9}, {1: 0.4, 0: 0.3}, {0: 0.45}, {0: 0.46})


def test_a_moment_is_a_run_of_windows_that_a_class_leads() -> None:
    found = timeline(*SCENES).moments()
    assert told(found) == [(0, 0, 2, 1), (1, 2, 3, 2), (0, 3, 5, 4)]


def test_several_labels_have_moments_at_once() -> None:
    found = timeline({0: 0.9, 1: 0.8}, {1: 0.7, 0: 0.49}, {0: 0.6, 1: 0.5}).moments()
    assert told(found) == [(0, 0, 1, 0), (1, 0, 3, 0), (0, 2, 3, 2)]


def test_raw_scores_are_present_only_where_they_lead() -> None:
    found = timeline({0: 9.0, 1: 8.0}, {1: -1.0, 0: -2.0}, raw=True).moments()
    assert told(found) == [(0, 0, 1, 0), (1, 1, 2, 1)]


def test_a_named_class_has_a_moment_even_where_it_never_leads() -> None:
    scenes = timeline(*SCENES[:2], {0: 0.5, 2: 0.1, 1: 0.2})
    assert told(scenes.moments([2])) == [(2, 2, 3, 2)]
    assert told(scenes.moments([0, 1])) == [(0, 0, 3, 1), (1, 0, 1, 0)]


def test_the_best_of_each_class_comes_first() -> None:
    moments = timeline(*SCENES).moments()
    assert told(strongest(moments, None)) == [(0, 0, 2, 1), (1, 2, 3, 2), (0, 3, 5, 4)]
    assert told(strongest(moments, 2)) == [(0, 0, 2, 1), (1, 2, 3, 2)]
    assert strongest(moments, 0) == []


def test_equal_probabilities_are_told_apart_by_logits() -> None:
    one, two = (Window(at, at + 1, (at, at + 1), (Score(0, 1.0, 20.0 + at),)) for at in (0, 1))
    assert Timeline(dict(LABELS), [one, two]).moments()[0].best is two


def test_a_timeline_survives_json() -> None:
    scenes = timeline(*SCENES)
    assert Timeline.of(json.loads(json.dumps(asdict(scenes)))) == scenes
    assert scenes.margin_s == 1


def test_an_answer_gives_the_seconds_that_are_its_own() -> None:
    def second(start: float, end: float) -> Second:
        made = [
            Prediction(index=index, label=LABELS[index], probability=0.3, logit=1.0)
            for index in LABELS
        ]
        return Second(start_s=start, end_s=end, predictions=made)

    facts = [{"start_s": at - 1.5, "end_s": at + 2.5} for at in (2, 3, 4)]
    answer = Answer(
        model="m",
        predictions=[],
        timeline=[second(2, 3), second(3, 4), second(4, 4.5)],
        clip={"windows": facts},
    )
    found = Timeline.of_answer(answer, 57.0, (60.0, 62.0), 1, [2])
    assert [(each.start_s, each.end_s, each.sees_s) for each in found.windows] == [
        (60.0, 61.0, (58.5, 62.5)),
        (61.0, 61.5, (59.5, 63.5)),
    ]
    assert found.labels == {0: "ironing", 2: "abseiling"}
    assert found.margin_s == 2


def test_a_page_gets_lanes_by_how_long_they_lead() -> None:
    scenes = timeline(*SCENES)
    drawn = scenes.drawn(scenes.moments(), [2])
    assert drawn["range"] == [0, 1]
    raw = timeline(*SCENES, raw=True)
    assert raw.drawn(raw.moments())["range"] == [0.3, 0.9]
    assert [(lane["class"], lane["led_s"]) for lane in drawn["lanes"]] == [(2, 0), (0, 4), (1, 1)]
    values = np.frombuffer(base64.b64decode(drawn["lanes"][2]["values"]), "<f4")
    assert values == pytest.approx([0.3, np.nan, 0.4, np.nan, np.nan], nan_ok=True)
