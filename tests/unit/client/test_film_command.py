"""`explain --timeline`: a film of three scenes, with a real network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.unit.client.film import film as make

from videovisual.motion import LABELS
from videovisual_client.cli import main
from videovisual_client.commands import film as film_module
from videovisual_client.commands import options
from videovisual_client.errors import Overloaded
from videovisual_client.local import Local
from videovisual_client.timeline import Timeline

MODEL = "r3d-motion"
SCENES = ((8, 4), (2, 4), (6, 4))
SECONDS = 12
FOLDER = Path("out/timeline", MODEL, "film")

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    with Local("cpu") as local:
        yield local


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    path.write_bytes(make(SCENES))
    return path


@pytest.fixture
def requests(local: Local, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that were sent: `classify`, `timeline` or `explain`."""
    sent: list[str] = []
    classify, explain = local.classify, local.explain

    def classified(clip: Any, **request: Any) -> Any:
        sent.append("timeline" if request.get("timeline") else "classify")
        return classify(clip, **request)

    def explained(clip: Any, **request: Any) -> Any:
        sent.append("explain")
        return explain(clip, **request)

    monkeypatch.setattr(local, "classify", classified)
    monkeypatch.setattr(local, "explain", explained)
    return sent


@pytest.fixture
def run(
    local: Local, requests: list[str], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """The command with `--local`, whose model stays loaded, and pieces of 5 s."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(options.Place, "open", lambda _: local)
    monkeypatch.setattr(local, "close", lambda: None)
    monkeypatch.setattr(film_module, "PIECES_S", (5,))

    def run(*arguments: str) -> Result:
        general = ["--model", MODEL, "--method", "grad_cam", "--timeline", "-o", "out"]
        return CliRunner().invoke(main, ["explain", str(film), *general, *arguments])

    return run


def written() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "timeline.json").read_text())
    return found


def leaders(result: dict[str, Any]) -> list[str]:
    return [window["predictions"][0]["label"] for window in result["windows"]]


def test_a_film_in_pieces_is_the_film(run: Command, local: Local, film: Path) -> None:
    done = run("--windows", "2", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    whole = local.classify(film, model=MODEL, timeline=True)
    assert [each["predictions"] for each in result["windows"]] == [
        [one.model_dump(mode="json") for one in second.predictions] for second in whole.timeline
    ]
    assert [each["sees_s"] for each in result["windows"]] == [
        [facts["start_s"], facts["end_s"]] for facts in whole.answer.clip["windows"]
    ]
    assert [each["start_s"] for each in result["windows"]] == list(range(SECONDS))
    scenes = [LABELS[label] for label, length in SCENES for _ in range(length)]
    right = sum(map(str.__eq__, leaders(result), scenes))
    assert right >= 8, leaders(result)
    assert result == {"folder": str(FOLDER), **written()}

    explained = [each for each in result["moments"] if each["explanation"]]
    assert len(explained) == 2
    for each in explained:
        answer = each["explanation"]["answer"]
        (explanation,) = answer["explanations"]
        assert explanation["target"]["index"] == each["class"]["index"]
        # The very frames of the window: the same score.
        assert explanation["target"]["logit"] == pytest.approx(each["class"]["logit"], abs=1e-4)
        name = f"moment-{each['best']['start_s']:011.3f}-{each['class']['index']}"
        with np.load(FOLDER / f"{name}.npz") as arrays:
            assert arrays["map"].shape == (16, 64, 64)
        drawn = json.loads((FOLDER / f"{name}.json").read_text())["drawn"]
        assert drawn["film"]["origin"] == pytest.approx(each["best"]["sees_s"][0])
    page = (FOLDER / "index.html").read_text()
    assert page.count('id="window-') == 2
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_stopped_run_continues(
    run: Command, local: Local, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    explain, classify = local.explain, local.classify

    def stops(_: Any, **request: Any) -> Any:
        raise KeyboardInterrupt

    def stops_at_the_second(clip: Any, **request: Any) -> Any:
        return (stops if requests.count("timeline") == 1 else classify)(clip, **request)

    monkeypatch.setattr(local, "classify", stops_at_the_second)
    assert run().exit_code == 130
    assert requests == ["classify", "timeline"]

    monkeypatch.setattr(local, "classify", classify)
    monkeypatch.setattr(local, "explain", stops)
    requests.clear()
    done = run("--windows", "1")
    assert done.exit_code == 130
    assert requests == ["classify", "timeline", "timeline"]
    assert f"5 of {SECONDS} windows are already classified" in done.output
    assert not (FOLDER / "index.html").exists()

    monkeypatch.setattr(local, "explain", explain)
    requests.clear()
    assert run("--windows", "1").exit_code == 0
    assert requests == ["classify", "explain"]

    requests.clear()
    assert run("--windows", "1").exit_code == 0
    assert requests == ["classify"]
    run("--windows", "0", "--top-k", "2")
    assert requests[1:] == ["classify", *["timeline"] * 3]
    requests.clear()
    run("--windows", "1", "--top-k", "2", "--fresh")
    assert requests == ["classify", *["timeline"] * 3, "explain"]


def test_windows_of_named_classes_and_all(run: Command) -> None:
    done = run("--target", LABELS[4], "--target", "9", "--windows", "all", "--json")
    assert done.exit_code == 0, done.output
    moments = json.loads(done.stdout)["moments"]
    assert {each["class"]["index"] for each in moments} == {4, 9}
    assert all(each["explanation"] for each in moments)
    refused = run("--target", "nonsense")
    assert refused.exit_code == 1
    assert "no class 'nonsense'" in refused.output


@pytest.mark.slow
def test_a_part_of_the_film(run: Command, local: Local, film: Path) -> None:
    done = run("--start", "3.5", "--end", "10.2", "--windows", "0", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    whole = local.classify(film, model=MODEL, timeline=True, start_s=3.5, end_s=10.2)
    assert leaders(result) == [second.predictions[0].label for second in whole.timeline]
    assert [each["end_s"] for each in result["windows"]] == pytest.approx(
        [second.end_s for second in whole.timeline]
    )
    assert not any(each["explanation"] for each in result["moments"])


@pytest.mark.slow
def test_another_end_computes_only_the_windows_near_it(
    run: Command, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film_module, "MARGIN_S", 1)
    run("--windows", "0")
    requests.clear()
    assert run("--windows", "0", "--end", "10.5").exit_code == 0
    assert requests == ["classify", "timeline", "timeline"]


@pytest.mark.slow
def test_windows_longer_than_a_second_see_their_neighbours(
    run: Command, local: Local, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = local._service(MODEL)
    card = service.classifier.card
    wide = card.input.__class__(**{**card.input.__dict__, "fps": 5.0})
    monkeypatch.setattr(
        service.classifier, "card", card.__class__(**{**card.__dict__, "input": wide})
    )
    done = run("--windows", "1", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    whole = local.classify(film, model=MODEL, timeline=True)
    facts = whole.answer.clip["windows"]
    assert facts[5]["end_s"] - facts[5]["start_s"] == pytest.approx(3.2)
    assert [each["sees_s"] for each in result["windows"]] == [
        pytest.approx([each["start_s"], each["end_s"]]) for each in facts
    ]
    assert [each["predictions"] for each in result["windows"]] == [
        [one.model_dump(mode="json") for one in second.predictions] for second in whole.timeline
    ]


def test_a_window_that_fails_does_not_stop_the_others(
    run: Command, local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain, asked = local.explain, iter(range(100))

    def fails_first(clip: Any, **request: Any) -> Any:
        if next(asked) == 0:
            raise Overloaded("The server is full.")
        return explain(clip, **request)

    monkeypatch.setattr(local, "explain", fails_first)
    done = run("--windows", "2")
    assert done.exit_code == 0, done.output
    assert "The server is full." in done.output
    told = [each["explanation"] for each in written()["moments"] if each["explanation"]]
    assert sorted("error" in each for each in told) == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "png"], "takes no --format"),
        (["--window", "best"], "takes no --format, --sign-with or --window"),
        (["--windows", "some"], "is not a valid integer"),
        (["--start", "20"], "nothing of the film"),
        (["-p", "masks=3"], "masks"),
    ],
)
def test_what_does_not_fit_is_refused(run: Command, arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code != 0
    assert message in done.output
    assert not FOLDER.exists()


def test_a_server_that_does_not_name_its_weights_computes_all(
    run: Command, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    monkeypatch.setattr(Timeline, "of", classmethod(lambda *given: found.append(given)))
    monkeypatch.setattr(
        film_module.FilmRun, "probe", lambda self: setattr(self, "classifier", None)
    )
    done = run("--windows", "0")
    assert "The model was changed" in done.output
    assert found == []
