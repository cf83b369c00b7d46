"""Ranks, gates, JUnit and the page of comparisons that are made up."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from videovisual.diff import Comparison, Diff, Thresholds
from videovisual.diff.comparison import Scored
from videovisual.diff.junit import to_junit
from videovisual.diff.page import to_page
from videovisual.errors import InvalidRequest


def comparison(
    new: str, *, old: float = 0.9, kept: float | None = 0.9, alike: float | None = 0.95
) -> Comparison:
    return Comparison(
        old=Scored("run", old, 2.0),
        new=Scored(new, 0.8, 1.5),
        kept=None if kept is None else Scored("run", kept, 1.0),
        correlation=alike,
        overlap=None if kept is None else 0.5,
    )


@pytest.fixture
def diff() -> Diff:
    return Diff(
        comparisons={
            "same": comparison("run"),
            "fell": comparison("run", kept=0.4, alike=0.6),
            "moved": comparison("run", alike=-0.1),
            "flat": comparison("run", alike=None),
            "flip": comparison("<i>sit</i>", kept=0.3),
            "gone": comparison("sit", kept=None, alike=None),
        },
        labels={"same": "run", "flip": "<i>sit</i>"},
        failed={"bad\x00<clip>": "malformed_clip: It ends early."},
    )


def test_ranks(diff: Diff) -> None:
    assert diff.flips() == ["gone", "flip"]
    assert diff.movements() == ["fell", "flat", "moved", "same"]
    assert diff.disagreements() == ["moved", "fell", "same"]
    assert diff.agreement() == pytest.approx((0.95 + 0.6 - 0.1) / 3)
    assert diff.accuracy() == (0.5, 1.0)


@pytest.mark.parametrize(
    ("thresholds", "holds"),
    [
        (Thresholds(), []),
        (Thresholds(max_flips=2), [True]),
        (Thresholds(max_flips=1), [False]),
        (Thresholds(max_flips=0.34, share=True), [True]),
        (Thresholds(max_flips=0.33, share=True), [False]),
        (Thresholds(min_agreement=0.48), [True]),
        (Thresholds(max_flips=0, min_agreement=0.49), [False, False]),
    ],
)
def test_gates(diff: Diff, thresholds: Thresholds, holds: list[bool]) -> None:
    assert [verdict.holds for verdict in diff.verdicts(thresholds)] == holds


def test_maps_that_cannot_be_compared_do_not_pass_a_gate() -> None:
    diff = Diff(comparisons={"gone": comparison("sit", kept=None, alike=None)})
    (verdict,) = diff.verdicts(Thresholds(min_agreement=-1))
    assert not verdict.holds
    assert "no two maps" in verdict.text


def test_no_comparison_at_all_is_an_error(diff: Diff) -> None:
    diff.check()
    with pytest.raises(InvalidRequest, match=r"None of the 1 clips.*broken"):
        Diff(failed={"a": "broken"}).check()


def test_junit_fails_for_flips_only_beyond_the_threshold(diff: Diff) -> None:
    for limit, failures in ((2, 0), (1, 2)):
        root = ElementTree.fromstring(to_junit(diff, Thresholds(max_flips=limit), "a → b"))
        gate, clips = root.findall("testsuite")
        assert (gate.get("failures"), clips.get("failures")) == (str(failures // 2), str(failures))
        assert (clips.get("tests"), clips.get("errors")) == ("7", "1")
        assert len(clips.findall("testcase/failure")) == failures
        (error,) = clips.findall("testcase/error")
        assert error.get("message") == "malformed_clip: It ends early."
        assert "bad�<clip>" in {case.get("name") for case in clips}


def test_the_page_escapes_and_ranks(diff: Diff) -> None:
    page = to_page(
        diff,
        Thresholds(max_flips=1),
        title="<a> → b",
        about="<folder>",
        picture=lambda name: b"jpeg" if name == "flip" else None,
        remarks=["<left out>"],
    )
    for text in ("<i>", "<a>", "<folder>", "<left out>", "<clip>"):
        assert text not in page
    assert page.index("gone: run 90.0%") < page.index("flip: run 90.0%, which now has 30.0%")
    assert page.count("data:image/jpeg;base64,anBlZw==") == 1
    assert "max-flips does not hold" in page


def test_json_holds_all(diff: Diff, tmp_path: Path) -> None:
    made = json.loads(json.dumps(diff.to_json(Thresholds(max_flips=1)), allow_nan=False))
    assert (made["clips"], made["flips"]) == (7, ["gone", "flip"])
    assert made["gate"][0]["holds"] is False
    assert Comparison.from_json(made["rows"][4]) == diff.comparisons["flip"]
