"""Who is let in."""

from __future__ import annotations

import pytest

from videovisual.errors import Overloaded, TooLarge
from videovisual.server.admission import Admission
from videovisual.server.settings import Settings

SETTINGS = Settings(max_running=1, max_waiting=1, max_classifications=1, max_bytes=100)


def test_a_line_full_of_explanations_lets_classifications_in_and_the_other_way_round() -> None:
    admission = Admission(SETTINGS)
    admission.enter(0, explains=False)
    admission.enter(0, explains=True)
    admission.enter(0, explains=True)
    assert admission.counts() == {"running": 1, "waiting": 1, "classifying": 1}
    for explains in (True, False):
        with pytest.raises(Overloaded) as refused:
            admission.enter(0, explains=explains)
        assert refused.value.detail["reason"] == "jobs"


def test_what_a_request_holds_counts_until_it_leaves() -> None:
    admission = Admission(SETTINGS)
    place = admission.enter(30, explains=True)
    admission.hold(place, 60)
    with pytest.raises(Overloaded) as refused:
        admission.enter(20, explains=False)
    assert refused.value.detail["reason"] == "memory"
    admission.leave(place)
    admission.enter(20, explains=False)


def test_what_needs_more_memory_than_there_may_be_is_refused_for_good() -> None:
    admission = Admission(SETTINGS)
    with pytest.raises(TooLarge, match=r"101 bytes.*max_bytes"):
        admission.enter(1, 100, explains=True)
    place = admission.enter(1, 50, explains=True)
    with pytest.raises(TooLarge):
        admission.hold(place, 50)
    assert place.held == 1


def test_an_explanation_waits_for_the_memory_that_it_needs_as_soon_as_it_runs() -> None:
    admission = Admission(SETTINGS.model_copy(update={"max_running": 3, "max_waiting": 2}))
    first = admission.enter(10, 60, explains=True)
    large = admission.enter(10, 80, explains=True)
    small = admission.enter(5, 6, explains=True)
    assert [place.running for place in (first, large, small)] == [True, False, False]
    assert (admission.ahead(large), admission.ahead(small)) == (1, 2)
    with pytest.raises(Overloaded) as refused:
        admission.enter(20, explains=False)
    assert refused.value.detail["reason"] == "memory"
    admission.leave(first)
    assert [place.running for place in (large, small)] == [True, False]
    admission.leave(large)
    assert small.running


def test_where_nothing_runs_the_first_that_waits_does() -> None:
    admission = Admission(SETTINGS.model_copy(update={"max_waiting": 3}))
    first = admission.enter(10, 10, explains=True)
    waiting = [admission.enter(20, 80, explains=True) for _ in range(3)]
    admission.leave(first)
    assert [place.running for place in waiting] == [True, False, False]


def test_services_that_share_one_are_counted_apart_and_limited_together() -> None:
    admission = Admission(SETTINGS)
    admission.enter(30, explains=True, model="one")
    admission.enter(30, explains=True, model="two")
    assert admission.counts("one") == {"running": 1, "waiting": 0, "classifying": 0}
    assert admission.counts("two") == {"running": 0, "waiting": 1, "classifying": 0}
    with pytest.raises(Overloaded):
        admission.enter(0, explains=True, model="one")
