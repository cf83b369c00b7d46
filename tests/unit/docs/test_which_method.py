"""The page "Which method when"."""

from __future__ import annotations

import json

from docs import which_method
from docs.which_method import MEASURED, Measured, Question, questions

from videovisual.attribution import catalogue


def measured() -> Measured:
    return Measured(json.loads(MEASURED.read_text("utf-8"))["results"])


def test_the_page_is_up_to_date() -> None:
    assert which_method.PAGE.read_text("utf-8") == which_method.page(), "run `make docs`"


def test_the_best_have_the_highest_means_of_those_that_were_measured_everywhere() -> None:
    rows = {
        "one": {"a": {"pointing": 0.2}, "b": {"pointing": 0.5}, "c": {"pointing": 0.9}},
        "two": {"a": {"pointing": 0.9}, "b": {"pointing": 0.5}, "c": {"refused": True}},
    }
    found = Measured(rows)
    asked = Question("where", "pointing", ["a", "b", "c"], ["one", "two"])
    assert found.best(asked) == ["a", "b"]
    assert found.pointing("c") == {"one": 0.9}


def test_every_question_has_two_answers_and_the_default_is_the_first_look() -> None:
    found = measured()
    asked = questions(found)
    assert all(len(found.best(question)) >= 2 for question in asked)
    assert found.best(asked[0])[0] == catalogue.DEFAULT
    by_scores = next(question for question in asked if "scores" in question.wish)
    first, second = found.best(by_scores)[:2]
    default = catalogue.DEFAULT_BY_SCORES
    assert default == second  # by little, and it points better
    points = [found.mean(name, "pointing", found.models) or 0 for name in (default, first)]
    assert points[0] > points[1]
