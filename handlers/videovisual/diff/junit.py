"""A comparison as JUnit XML, which continuous integration shows.

The form is that of https://github.com/testmoapp/junitxml.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as Tree

from videovisual.diff.report import Diff, Thresholds, Verdict

UNPRINTABLE = {code: "�" for code in range(32) if code not in (9, 10, 13)}
"""Characters that XML can't hold."""


def to_junit(diff: Diff, thresholds: Thresholds, name: str) -> bytes:
    """Make the file.

    A threshold that doesn't hold is a failure, a clip that could not be compared an error. A clip
    whose answer flipped is a failure only where more flipped than allowed.

    Args:
        diff: what to write.
        thresholds: of the gate.
        name: of the suites.
    """
    verdicts = list(diff.verdicts(thresholds))
    too_many = any(each.name == "max-flips" and not each.holds for each in verdicts)
    root = Tree.Element("testsuites", name=_clean(name))
    _suite(root, "gate", [_verdict(each) for each in verdicts])
    clips = [_clip(diff, clip, too_many=too_many) for clip in diff.comparisons]
    _suite(root, "clips", [*clips, *(_error(clip, why) for clip, why in diff.failed.items())])
    data: bytes = Tree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data


def _suite(root: Tree.Element, name: str, cases: Sequence[Tree.Element]) -> None:
    suite = Tree.SubElement(root, "testsuite", name=name, tests=str(len(cases)))
    for kind in ("failure", "error"):
        found = sum(case.find(kind) is not None for case in cases)
        suite.set({"failure": "failures", "error": "errors"}[kind], str(found))
    suite.extend(cases)


def _case(suite: str, name: str) -> Tree.Element:
    return Tree.Element("testcase", classname=suite, name=_clean(name))


def _verdict(verdict: Verdict) -> Tree.Element:
    case = _case("gate", verdict.name)
    if not verdict.holds:
        Tree.SubElement(case, "failure", message=_clean(verdict.text))
    return case


def _clip(diff: Diff, clip: str, *, too_many: bool) -> Tree.Element:
    case, comparison = _case("clips", clip), diff.comparisons[clip]
    if comparison.flipped:
        text = f"{comparison.old.label} became {comparison.new.label}."
        if too_many:
            Tree.SubElement(case, "failure", message=_clean(text))
        else:
            Tree.SubElement(case, "system-out").text = _clean(text)
    return case


def _error(clip: str, why: str) -> Tree.Element:
    case = _case("clips", clip)
    Tree.SubElement(case, "error", message=_clean(why))
    return case


def _clean(text: str) -> str:
    whole = text.encode("utf-8", "backslashreplace").decode()
    return whole.translate(UNPRINTABLE).replace("￾", "�").replace("￿", "�")
