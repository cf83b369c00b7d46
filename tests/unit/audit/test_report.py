"""Rates, findings and the page of audits whose inspections are made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from videovisual.audit import Audit, Inspection, Tally
from videovisual.audit.evidence import CELLS, Share
from videovisual.audit.page import sentence, to_page
from videovisual.audit.questions import CHANGES
from videovisual.errors import InvalidRequest

CLASSES = ("left", "<b>right</b>", "up")
PARTS = 8


def inspection(
    answer: int,
    changed: Mapping[str, int],
    shares: Mapping[str, Share] | None = None,
    cells: np.ndarray | None = None,
    logits: tuple[float, ...] = (),
) -> Inspection:
    return Inspection(
        answer=answer,
        probability=0.9,
        logit=3.0,
        changed=changed,
        shares=shares or {},
        cells=None if cells is None else cells.tolist(),
        logits=list(logits or (3.0 * (index == answer) for index in range(len(CLASSES)))),
        part_s=0.25,
    )


def audit(
    changed: Callable[[int, int], Mapping[str, int]],
    clips: int = 90,
    shares: Callable[[int], Mapping[str, Share]] = lambda _: {},
) -> Audit:
    """Clips of the three classes in turn; `changed(answer, number)` are the changed answers."""
    tally = Tally()
    for number in range(clips):
        answer = number % 3
        made = inspection(answer, changed(answer, number), shares(answer))
        tally.add(f"{CLASSES[answer]}-{number}", answer, made)
    return Audit.of(tally, CLASSES)


def about(made: Audit) -> set[tuple[str | None, str]]:
    return {(finding.group, finding.about) for finding in made.findings}


def shuffled(rule: Callable[[int, int], int]) -> Audit:
    return audit(lambda answer, number: {"shuffled": rule(answer, number)})


def test_a_class_that_survives_is_found_and_others_are_not() -> None:
    made = shuffled(lambda answer, number: 0 if answer == 0 else 1 + number // 3 % 2)
    assert about(made) == {("left", "shuffled")}
    (finding,) = made.findings
    assert (finding.rate.value, len(finding.clips)) == (1, 30)
    assert 0.5 < finding.at_least < finding.rate.low < 1
    assert "stays in 30 of 30 clips" in sentence(made, finding)


def test_the_answer_of_all_changed_clips_is_no_finding() -> None:
    made = shuffled(lambda _answer, _number: 0)
    assert made.groups[0].survivals["shuffled"].rate.value == 1
    assert made.groups[0].survivals["shuffled"].chance == 1
    assert made.findings == []


def test_answers_that_all_survive_are_found_over_all_classes() -> None:
    made = shuffled(lambda answer, _number: answer)
    assert about(made) == {(name, "shuffled") for name in (None, *CLASSES)}
    assert made.overall.survivals["shuffled"].chance == pytest.approx(1 / 3)


def test_what_the_interval_does_not_support_is_not_found() -> None:
    made = shuffled(lambda answer, number: 0 if answer == 0 and number % 4 else 2)
    assert made.groups[0].survivals["shuffled"].rate.value > 0.7
    assert made.findings == []


def test_few_clips_have_rates_and_no_finding() -> None:
    made = audit(lambda answer, _number: {"shuffled": answer}, clips=30)
    assert made.groups[0].survivals["shuffled"].rate.of == 10
    assert made.needed > 10
    assert about(made) == {(None, "shuffled")}


def test_a_survived_reversal_or_hidden_border_is_no_shortcut() -> None:
    assert audit(lambda answer, _: {"reversed": answer, "border_hidden": answer}).findings == []


def missing(*needed: int) -> Audit:
    """The first class loses its answer without any of the parts `needed`."""

    def changed(answer: int, _number: int) -> Mapping[str, int]:
        lost = {part: answer == 0 and part in needed for part in range(PARTS)}
        return {f"without_{part}": 1 if lost[part] else answer for part in lost}

    return audit(changed)


def test_one_moment_is_found_with_its_seconds() -> None:
    made = missing(3)
    assert about(made) == {("left", "moment")}
    assert made.findings[0].part == 3
    assert "part 4 of 8, 0.75 to 1.00 s" in sentence(made, made.findings[0])


@pytest.mark.parametrize("parts", [(), (3, 4), tuple(range(PARTS))])
def test_several_moments_are_no_finding(parts: tuple[int, ...]) -> None:
    assert missing(*parts).findings == []


def test_a_moment_beside_another_that_may_matter_is_no_finding() -> None:
    def changed(answer: int, number: int) -> Mapping[str, int]:
        lost = {3: answer == 0, 4: answer == 0 and number % 2 == 0}
        return {f"without_{n}": 1 if lost.get(n) else answer for n in range(PARTS)}

    assert audit(changed).findings == []


def test_evidence_in_one_frame_is_found() -> None:
    made = audit(
        lambda answer, _: {"shuffled": (answer + 1) % 3},
        shares=lambda answer: {"one_frame": Share(0.9 if answer == 2 else 0.4, 1 / 16)},
    )
    assert about(made) == {("up", "one_frame")}
    share = made.groups[2].shares["one_frame"]
    assert (share.mean.value, share.mean.low, share.even) == pytest.approx((0.9, 0.9, 1 / 16))


def test_evidence_at_one_place_is_found_and_wandering_evidence_is_not() -> None:
    tally = Tally()
    rng = np.random.default_rng(0)
    for number in range(80):
        cells = np.zeros((PARTS, CELLS, CELLS))
        place = (4, 4) if number % 2 else rng.integers(CELLS, size=2)
        cells[number % PARTS, place[0], place[1]] = 1
        tally.add(str(number), None, inspection(number % 2, {}, cells=cells))
    made = Audit.of(tally, CLASSES)
    assert about(made) == {(CLASSES[1], "one_place")}
    assert made.accuracy is None


def test_the_odd_clip_is_the_most_unlike() -> None:
    tally = Tally()
    rng = np.random.default_rng(1)
    for number in range(20):
        logits = (3.0, -1.0, *rng.normal(0, 0.1, 1)) if number != 7 else (3.0, 2.9, -4.0)
        tally.add(str(number), number % 2, inspection(0, {}, logits=logits))
    made = Audit.of(tally, CLASSES)
    assert made.unlike[0].clip == 7
    assert made.unlike[0].times > 2
    assert made.accuracy is not None
    assert made.accuracy.value == 0.5


def test_one_class_and_no_clip_are_refused() -> None:
    tally = Tally()
    with pytest.raises(InvalidRequest, match="no clip could be read"):
        Audit.of(tally, CLASSES)
    for number in range(12):
        tally.add(str(number), None, inspection(1, {}))
    with pytest.raises(InvalidRequest, match=r"of the class '<b>right</b>'.*two classes"):
        Audit.of(tally, CLASSES)


def test_a_change_that_only_later_clips_have_counts_for_them_alone() -> None:
    made = audit(lambda answer, number: {"moving_hidden": answer} if number >= 45 else {})
    assert made.overall.survivals["moving_hidden"].rate.of == 45


def test_an_inspection_survives_json() -> None:
    made = inspection(1, {"shuffled": 2}, {"border": Share(0.5, 0.4)}, np.ones((8, 5, 5)))
    assert Inspection.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_the_page_escapes_and_shows_what_is_behind_a_finding() -> None:
    made = shuffled(lambda answer, number: 1 if answer == 1 else 2 * (number % 2))
    page = to_page(
        made,
        title="What <m> leans on",
        about="Clips of <x>.",
        picture=lambda name: b"jpeg" if name.endswith("-1") else None,
        failed={"bad<clip>": "no <video>"},
        remarks=["left out: <y>"],
    )
    assert "<b>right</b>" not in page
    assert "&lt;b&gt;right&lt;/b&gt;" in page
    for text in ("<m>", "<x>", "<y>", "bad<clip>", "no <video>"):
        assert text not in page
    assert "told without the order of frames" in page
    assert page.count('src="data:image/jpeg;base64,anBlZw=="') == 2
    assert "default-src &#x27;none&#x27;" in page
    assert all(question.title in page for name, question in CHANGES.items() if name == "shuffled")


def test_the_page_of_many_classes_stays_small() -> None:
    classes, tally = [f"class {number}" for number in range(400)], Tally()
    for number in range(4000):
        made = inspection(number % 400, {"shuffled": number % 400}, logits=(0.0, 1.0))
        tally.add(f"clip-{number}", None, made)
    made = Audit.of(tally, classes)
    page = to_page(made, title="", about="", picture=lambda _: b"jpeg", failed={}, remarks=[])
    assert page.count("data:image/jpeg") < 1000
    assert page.count("clip-3999:") <= 1
    assert len(made.to_json()["rows"]) == 4000


def test_json_has_a_row_for_every_clip_and_names_behind_the_findings() -> None:
    made = shuffled(lambda answer, number: 0 if answer == 0 else 1 + number // 3 % 2).to_json()
    json.dumps(made, allow_nan=False)
    assert len(made["rows"]) == 90
    assert made["findings"][0]["clips"] == [f"left-{number}" for number in range(0, 90, 3)]
    assert made["rows"][0]["stays"] == {"shuffled": True}
    assert made["classes"][0]["survivals"]["shuffled"]["rate"]["of"] == 30
