"""Who is let in."""

from __future__ import annotations

import pytest

from videovisual.errors import Overloaded
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
