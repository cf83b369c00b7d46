"""The viewer in a real browser, with a real model behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videovisual import motion
from videovisual.render.thumbnail import thumbnail

pytest.importorskip("uvicorn", reason="needs the extra `ui`")

from videovisual_client.viewer.history import History

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
MODEL, OTHER = "tsm-motion", "r3d-motion"


@contextmanager
def viewer(folder: Path, *words: str) -> Iterator[str]:
    """The address of a viewer that keeps its results in a folder."""
    command = [sys.executable, "-m", "videovisual_client", "ui", "--port", "0", *words]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"VIDEOVISUAL_CACHE": str(folder)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    yield line.partition(" at ")[2].split()[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("kept")
    with viewer(folder, MODEL, OTHER, "--local", "--device", "cpu") as found:
        yield found


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("clips") / "a <b>clip&.npz", 3)


@pytest.fixture
def empty(open_page: Open, address: str) -> None:
    """Deletes the results of earlier tests."""
    watched = open_page(address)
    page = watched.page
    watched.until(lambda: page.locator("#kept").text_content(), "what is kept")
    if page.locator("#gallery").is_visible():
        page.get_by_role("button", name="Delete all").click()
        page.get_by_role("button", name="Really delete all?").click()
        page.locator("#gallery").wait_for(state="hidden")


def written(path: Path, number: int) -> Path:
    np.savez_compressed(path, frames=motion.sample(number).frames, fps=8.0)
    return path


def opened(open_page: Open, address: str, clip: Path, **how: Any) -> Any:
    watched = open_page(address, **how)
    watched.page.locator("#file").set_input_files(clip)
    watched.page.get_by_text("Drop another to change it").wait_for()
    return watched


def explain(watched: Any, method: str, results: int) -> None:
    page = watched.page
    page.locator("#method").select_option(method)
    page.get_by_role("button", name="Explain").click()
    page.locator("#list li").nth(results - 1).wait_for()


def shown(page: Any) -> str:
    text: str = page.locator("#toolbar p").inner_text()
    return text


@pytest.mark.usefixtures("empty")
def test_upload_progress_result_change(open_page: Open, address: str, clip: Path) -> None:
    watched = opened(open_page, address, clip)
    page = watched.page
    assert page.locator("#clipname").inner_text() == clip.name
    assert page.locator("#clipnote").inner_text().startswith("npz, 64 × 64, 2.00 s, 16 frames")
    assert page.locator("#preview").evaluate("(image) => image.decode().then(() => 1)") == 1
    page.locator("#method").select_option("rise")
    page.get_by_text("Parameters").click()
    page.get_by_label("masks").first.fill("40")
    page.evaluate(
        """() => {
          const status = document.getElementById("status");
          globalThis.texts = [];
          const observer = new MutationObserver(() => texts.push(status.textContent));
          observer.observe(status, { childList: true });
        }"""
    )
    page.get_by_role("button", name="Explain").click()
    page.locator("#list li").wait_for()
    assert any("of 40" in text for text in page.evaluate("texts"))
    page.locator("#left h1").wait_for()
    assert page.locator("#left h1").inner_text().startswith("moves down")
    for text in ("moves down", "rise", MODEL, "masks 40", clip.name):
        assert text in page.locator("#list").inner_text()
    page.get_by_label("Frame", exact=True).fill("5")
    watched.until(lambda: "frame 5," in page.locator(".clock").inner_text(), "frame 5")
    page.get_by_label("Strength").fill("20")
    page.get_by_role("button", name="Play").click()
    watched.until(lambda: "frame 7," in page.locator(".clock").inner_text(), "playing")
    assert watched.messages == []


@pytest.mark.usefixtures("empty")
def test_results_are_compared_and_saved(open_page: Open, address: str, clip: Path) -> None:
    watched = opened(open_page, address, clip)
    page = watched.page
    explain(watched, "grad_cam", 1)
    explain(watched, "gradient", 2)
    page.get_by_role("button", name="Beside: grad_cam").click()
    clocks = page.locator(".clock")
    watched.until(lambda: clocks.count() == 2, "both")
    page.get_by_label("Frame", exact=True).first.fill("9")
    watched.until(
        lambda: all("frame 9," in text for text in clocks.all_inner_texts()), "both at frame 9"
    )
    # A key moves both by one frame, not each by its own and the other's.
    page.get_by_label("Frame", exact=True).first.blur()
    page.keyboard.press("ArrowRight")
    watched.until(
        lambda: all("frame 10," in text for text in clocks.all_inner_texts()), "both at frame 10"
    )
    for suffix, begins in (("html", b"<!doctype"), ("npz", b"PK"), ("mp4", b"\0\0\0")):
        with page.expect_download() as saving:
            page.locator("#toolbar").get_by_text(suffix, exact=True).click()
        assert saving.value.suggested_filename == f"{MODEL}-gradient.{suffix}"
        assert Path(saving.value.path()).read_bytes().startswith(begins)
    page.get_by_role("button", name="Beside: grad_cam").click()
    watched.until(lambda: clocks.count() == 1, "one")
    assert watched.messages == []


@pytest.mark.usefixtures("empty")
def test_cancelling_leaves_the_viewer_ready(open_page: Open, address: str, clip: Path) -> None:
    watched = opened(open_page, address, clip)
    page = watched.page
    page.locator("#method").select_option("rise")
    page.get_by_text("Parameters").click()
    page.get_by_label("masks").first.fill("20000")
    page.get_by_role("button", name="Explain").click()
    watched.until(lambda: "of 20000" in page.locator("#status").inner_text(), "progress")
    page.locator("#partial img").wait_for()
    page.get_by_role("button", name="Cancel").click()
    watched.until(lambda: "ancelled" in page.get_by_role("alert").inner_text(), "the end")
    assert not page.get_by_role("button", name="Cancel").is_visible()
    assert page.locator("#list li").count() == 0
    explain(watched, "gradient", 1)
    assert watched.messages == []


def test_a_clip_is_dropped_in_and_errors_are_shown(
    open_page: Open, address: str, clip: Path
) -> None:
    watched = open_page(address)
    page = watched.page
    page.get_by_role("button", name="Explain").click()
    assert page.get_by_role("alert").inner_text() == "Choose a clip first."
    dropped = page.evaluate_handle(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["not a video"], "notes.mp4"));
          return transfer;
        }"""
    )
    page.locator("#drop").dispatch_event("drop", {"dataTransfer": dropped})
    # Before anything is explained.
    watched.until(lambda: "video" in page.get_by_role("alert").inner_text(), "the refusal")
    page.locator("#file").set_input_files(clip)
    watched.until(lambda: page.locator("#clipname").inner_text() == clip.name, "the new clip")
    page.get_by_text("Drop another to change it").wait_for()
    page.get_by_label("Model", exact=True).fill("no-such-model")
    page.get_by_role("button", name="Explain").click()
    watched.until(lambda: "no-such-model" in page.get_by_role("alert").inner_text(), "the refusal")


def test_a_click_before_the_page_has_started_is_not_lost(open_page: Open, address: str) -> None:
    page = open_page(address).page
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/api/about", hold)
    page.reload()
    page.get_by_role("button", name="Explain").click()
    assert page.get_by_role("alert").count() == 0
    held[0].continue_()
    assert page.get_by_role("alert").inner_text() == "Choose a clip first."


def test_a_model_must_be_named(open_page: Open, address: str, clip: Path) -> None:
    page = opened(open_page, address, clip).page
    page.get_by_label("Model", exact=True).fill(" ")
    page.get_by_role("button", name="Explain").click()
    assert page.get_by_role("alert").inner_text() == "Name a model."


@pytest.mark.slow
@pytest.mark.usefixtures("empty")
def test_two_models_on_the_sample_have_an_address(open_page: Open, address: str) -> None:
    watched = open_page(address)
    page = watched.page
    page.get_by_role("button", name="Try a sample clip").click()
    page.get_by_text("Drop another to change it").wait_for()
    page.get_by_label("Second model").fill(OTHER)
    page.get_by_role("button", name="Explain").click()
    page.locator("#panes.two").wait_for()
    subs = page.locator("#panes .sub")
    assert [text.split(" · ")[1] for text in subs.all_inner_texts()] == [MODEL, OTHER]
    page.get_by_label("Frame", exact=True).first.fill("4")
    watched.until(lambda: "time=0.5" in page.url, "the moment in the address")

    # A phone that opens the same link has the maps near each other.
    phone = open_page(page.url, width=390)
    phone.page.locator("#panes.two").wait_for()
    clock = phone.page.locator("#right .clock")
    watched.until(lambda: "frame 4," in clock.inner_text(), "the same frame")
    above, below = (phone.page.locator(f"#{side} .screen >> nth=1") for side in ("left", "right"))
    top, bottom = (screen.bounding_box()["y"] for screen in (above, below))
    assert bottom - top < 560

    # Back returns to the one result, then to none; a reload keeps what is shown.
    page.go_back()
    page.locator("#panes.two").wait_for(state="detached")
    page.reload()
    page.locator("#left h1").wait_for()
    assert MODEL in shown(page)
    page.go_back()
    page.locator("#empty").wait_for()
    assert watched.messages == phone.messages == []


@pytest.mark.slow
@pytest.mark.usefixtures("empty")
def test_a_folder_is_dropped_in_and_its_results_are_filtered_by_keys(
    open_page: Open, address: str, tmp_path: Path
) -> None:
    (tmp_path / "set" / "deep").mkdir(parents=True)
    for number in range(3):
        written(tmp_path / "set" / "deep" / f"clip{number}.npz", number)
    (tmp_path / "set" / "notes.txt").write_text("no clip")
    (tmp_path / "set" / "diff.html").write_text("<!doctype html><p>two flips")
    watched = open_page(address)
    page = watched.page
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(tmp_path / "set")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        where = {"type": kind, "x": 100, "y": 100, "data": data}
        session.send("Input.dispatchDragEvent", where)
    page.get_by_text("3 clips, from clip0.npz to clip2.npz").wait_for()
    page.get_by_text("Drop another to change it").wait_for()
    assert page.frame_locator("#document").get_by_text("two flips").is_visible()
    page.keyboard.press("Escape")
    page.locator("#document").wait_for(state="hidden")
    page.get_by_role("button", name="Explain").click()
    watched.until(lambda: page.locator("#count").inner_text() == "3 results", "all three")
    watched.until(lambda: page.locator("#go").is_enabled(), "the end")

    # The rest without a mouse.
    page.locator("#go").blur()
    page.keyboard.press("/")
    page.keyboard.type("clip1")
    watched.until(lambda: page.locator("#count").inner_text() == "1 of 3 results", "the filter")
    assert "text=clip1" in page.url
    page.locator("#text").fill("")
    page.locator("#text").blur()
    page.keyboard.press("g")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    watched.until(lambda: "clip2.npz" in shown(page), "the first card")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("b")
    page.locator("#panes.two").wait_for()
    assert "clip1.npz" in page.locator("#list [aria-pressed=true]").get_attribute("aria-label")
    page.keyboard.press("Escape")
    page.locator("#panes.two").wait_for(state="detached")
    page.keyboard.press("n")
    watched.until(lambda: "clip1.npz" in shown(page), "the next one")
    page.keyboard.press("Delete")
    watched.until(lambda: page.locator("#count").inner_text() == "2 results", "one less")
    page.keyboard.press("?")
    assert page.get_by_role("heading", name="Keys").is_visible()
    page.keyboard.press("Escape")
    # Chromium says of each frame that its sandbox lets no script run; there is no script.
    assert [text for text in watched.messages if "sandbox" not in text] == []


@pytest.mark.slow
def test_a_missing_server_is_told_at_once(open_page: Open, tmp_path: Path) -> None:
    with viewer(tmp_path, MODEL, "--url", "http://127.0.0.1:9") as found:
        page = open_page(found).page
        page.locator("#server").wait_for()
        assert "none at 127.0.0.1:9" in page.locator("#server").inner_text()
        assert page.get_by_role("button", name="Try again").is_visible()
        page.context.close()


def kept(cache: Path, count: int) -> None:
    """A viewer's folder with results of so many clips, without their maps."""
    history = History(cache / "viewer", 2**30)
    frames = motion.sample(3).frames
    picture = thumbnail(frames, None)
    for number in range(count):
        clip = history.new()
        history.content(clip).write_bytes(b"x")
        history.add(clip, "clip", f"clip{number}.mp4")
        best = {"index": 0, "label": f"class {number % 7}", "probability": 0.9, "logit": 3.0}
        facts = {"name": f"clip{number}.mp4", "model": MODEL, "method": "gradient"}
        doubts = ["Unlikely: yes."] if number % 2 else []
        more = {"target": best, "best": best, "doubts": doubts, "options": {}, "agreement": {}}
        history.add_result(clip, f"{number:016x}", {"jpg": picture}, {**facts, **more})


@pytest.mark.slow
def test_a_thousand_results_stay_few_elements(open_page: Open, tmp_path: Path) -> None:
    kept(tmp_path, 1000)
    with viewer(tmp_path, MODEL, "--local", "--device", "cpu") as address:
        watched = open_page(f"{address}#doubt=none")
        page = watched.page
        page.get_by_text("500 of 1000 results").wait_for()
        page.locator("#doubt").evaluate("(field) => { field.value = ''; }")
        page.locator("#doubt").dispatch_event("input")
        page.get_by_text("1000 results", exact=True).wait_for()
        # While the gallery is scrolled through, in steps of half of what is in sight.
        most = page.evaluate(
            """async () => {
              const cards = document.getElementById("cards");
              const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
              let [most, seen] = [0, new Set()];
              for (let top = 0; top <= cards.scrollHeight; top += cards.clientHeight / 2) {
                cards.scrollTop = top;
                await frame();
                await frame();
                const shown = document.querySelectorAll("#list li");
                most = Math.max(most, shown.length);
                for (const card of shown) seen.add(card.dataset.id);
              }
              return [most, seen.size, document.querySelectorAll("*").length];
            }"""
        )
        assert most[0] <= 40
        assert most[1] == 1000
        assert most[2] < 800
        # What the first paint waits for: two style sheets, no script.
        blocking = page.evaluate(
            "() => performance.getEntriesByType('resource')"
            ".filter((entry) => entry.renderBlockingStatus === 'blocking').map(({name}) => name)"
        )
        assert sorted(url.rpartition("/")[2] for url in blocking) == ["report.css", "viewer.css"]
        page.locator("#cards").evaluate("(cards) => { cards.scrollTop = 0; }")
        page.keyboard.press("g")
        page.keyboard.press("End")
        focused = page.evaluate("() => document.activeElement.closest('li').ariaPosInSet")
        assert focused == "1000"
        page.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_it_fits_the_width_and_is_accessible(
    open_page: Open, address: str, clip: Path, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    watched = opened(open_page, address, clip, width=width, scheme=scheme)
    page = watched.page
    page.get_by_text("Parameters").click()
    page.get_by_label("Second model").fill(OTHER)
    explain(watched, "gradient", 2)
    page.locator("#panes.two").wait_for()
    page.get_by_text("Filters").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations(axe, page)
    page.keyboard.press("?")
    violations(axe, page)
    assert watched.messages == []


def violations(axe: Any, page: Any) -> None:
    found = axe.run(page).response["violations"]
    told = [
        (rule["id"], node["target"], node["failureSummary"])
        for rule in found
        for node in rule["nodes"]
    ]
    assert told == []
