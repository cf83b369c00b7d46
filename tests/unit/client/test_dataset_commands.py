"""`audit` and `diff` on folders of clips, with models in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result

from videovisual import motion
from videovisual_client.cli import main
from videovisual_client.commands import dataset

CLIPS = 4
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    return lambda *arguments: CliRunner().invoke(main, [*map(str, arguments), "--device", "cpu"])


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Class folders of Motion, and a file that is no video."""
    root = tmp_path / "clips"
    for number in range(CLIPS):
        sample = motion.sample(number)
        folder = root / motion.LABELS[sample.label].replace(" ", "_")
        folder.mkdir(parents=True)
        np.savez(folder / f"{number}.npz", frames=sample.frames, fps=8.0)
    (folder / "broken.mp4").write_bytes(b"no video" * 10)
    return root


def written(results: Path) -> dict[str, int]:
    """When each clip's record was written, by the clip's name."""
    return {path.stem: path.stat().st_mtime_ns for path in (results / "clips").rglob("*.json")}


def test_an_audit_has_a_report_and_continues(clips: Path, run: Run) -> None:
    done = run("audit", "tsm-motion", clips, "--json")
    assert done.exit_code == 4, done.output
    answer = json.loads(done.stdout)
    results = Path("results/audit/tsm-motion")
    assert answer == json.loads((results / "audit.json").read_text())
    assert answer["clips"] == CLIPS
    assert answer["accuracy"]["of"] == CLIPS
    assert list(answer["failed"]) == ["moves_down/broken"]
    assert answer["failed"]["moves_down/broken"].startswith("unsupported_media: ")
    assert {row["label"] for row in answer["rows"]} == set(motion.LABELS[:CLIPS])
    assert answer["overall"]["survivals"]["border_hidden"]["rate"]["of"] == CLIPS
    page = (results / "audit.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") >= CLIPS
    assert "moves_down/broken" in page
    before = written(results)
    assert sorted(before) == ["0", "1", "2", "3"]

    (results / "clips" / "moves_up" / "2.json").write_text("{")
    again = run("audit", "tsm-motion", clips)
    after = written(results)
    assert {name for name in after if after[name] != before[name]} == {"2"}
    assert (results / "audit.html").read_text("utf-8") == page
    assert "No finding is supported; 4 of 4 classes have fewer than the 10 clips" in again.stdout
    assert "failed: moves_down/broken" in again.stderr
    next(clips.rglob("2.npz")).write_bytes(next(clips.rglob("0.npz")).read_bytes())
    run("audit", "tsm-motion", clips)
    replaced = written(results)
    assert {name for name in replaced if replaced[name] != after[name]} == {"2"}
    run("audit", "tsm-motion", clips, "--seed", "1")
    assert all(when != after[name] for name, when in written(results).items())


def test_an_audit_of_answers_alone(clips: Path, run: Run) -> None:
    answer = json.loads(run("audit", "tsm-motion", clips, "--method", "none", "--json").stdout)
    assert answer["overall"]["shares"] == {}
    assert "strongest_frame" not in answer["overall"]["survivals"]


def test_a_model_does_not_differ_from_itself(clips: Path, run: Run) -> None:
    done = run("diff", "tsm-motion", "tsm-motion", clips, "--max-flips", 0, "--min-agreement", 0.99)
    # The clip that can't be read fails the command, though the gate holds.
    assert done.exit_code == 4, done.output
    answer = json.loads(Path("results/diff/tsm-motion..tsm-motion/diff.json").read_text())
    assert (answer["flips"], answer["agreement"]) == ([], pytest.approx(1))
    assert [gate["holds"] for gate in answer["gate"]] == [True, True]
    assert [row["overlap"] for row in answer["rows"]] == pytest.approx([1] * CLIPS)


def test_another_model_does_not_pass_the_gate(clips: Path, run: Run) -> None:
    done = run("diff", "tsm-motion", "r3d-motion", clips, "--min-agreement", "0.99")
    assert done.exit_code == 9, done.output
    results = Path("results/diff/tsm-motion..r3d-motion")
    answer = json.loads((results / "diff.json").read_text())
    assert answer["agreement"] < 0.99
    assert "min-agreement does not hold" in done.stderr
    gate, tests = ElementTree.parse(results / "diff.xml").getroot().findall("testsuite")
    assert gate.get("failures") == "1"
    assert (tests.get("tests"), tests.get("errors")) == (str(CLIPS + 1), "1")
    page = (results / "diff.html").read_text("utf-8")
    assert "min-agreement does not hold" in page
    assert "data:image/jpeg;base64," in page


@pytest.mark.parametrize("share", ["-1", "101%", "a", "2%%", ""])
def test_a_share_of_flips_is_checked(clips: Path, run: Run, share: str) -> None:
    done = run("diff", "tsm-motion", "r3d-motion", clips, f"--max-flips={share}")
    assert done.exit_code == 2
    assert "neither a number of clips nor a share" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such-model",), "There is no model 'no-such-model'"),
        (("tsm-motion", "--method", "grad_cma"), "Nearest: grad_cam"),
        (("tsm-motion", "-p", "nonsense=1"), "nonsense"),
        (("tsm-motion", "--device", "tpu"), "tpu"),
    ],
)
def test_wrong_arguments_of_an_audit_are_told(
    clips: Path, run: Run, arguments: tuple[str, ...], message: str
) -> None:
    model, *others = arguments
    done = CliRunner().invoke(main, ["audit", model, str(clips), *others])
    assert done.exit_code == 1, done.output
    assert message in done.stderr


def test_folders_that_hold_nothing_to_audit_are_told(clips: Path, run: Run, tmp_path: Path) -> None:
    (empty := tmp_path / "empty").mkdir()
    done = run("audit", "tsm-motion", empty)
    assert done.exit_code == 1
    assert "holds no folder of clips" in done.stderr
    done = run("audit", "tsm-motion", clips / "moves_left" / "0.npz")
    assert "holds no folder of clips" in done.stderr
    done = run("audit", "tsm-motion", clips / "moves_left")
    assert "two classes or more" in done.stderr
    for path in list(clips.iterdir())[1:]:
        path.rename(clips / f"class of {path.name}")
    done = run("audit", "tsm-motion", clips)
    assert "labels that are no class of the model" in done.stderr
    next(clips.glob("moves*")).rename(clips / "class of none")
    done = run("diff", "tsm-motion", "tsm-motion", clips)
    assert done.exit_code == 1
    assert "None of the 4 labels is a class of the model" in done.stderr


def test_models_without_a_common_class_are_refused(
    clips: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    load = dataset.load

    def relabelled(model: str, device: str | None, store: Path) -> object:
        made = load("tsm-motion", device, store)
        if model == "other":
            labels = tuple(f"other {label}" for label in made.card.labels)
            made.card = dataclasses.replace(made.card, labels=labels)
        return made

    monkeypatch.setattr(dataset, "load", relabelled)
    done = run("diff", "tsm-motion", "other", clips)
    assert done.exit_code == 1
    assert "no class in common" in done.stderr
