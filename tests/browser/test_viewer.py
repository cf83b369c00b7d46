"""The viewer in a real browser, with a real model behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.browser.viewer import MODEL, OTHER, Open, explain, opened, shown, viewer

pytestmark = pytest.mark.browser


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
def test_a_missing_server_is_told_at_once(open_page: Open, tmp_path: Path) -> None:
    with viewer(tmp_path, MODEL, "--url", "http://127.0.0.1:9") as found:
        page = open_page(found).page
        page.locator("#server").wait_for()
        assert "none at 127.0.0.1:9" in page.locator("#server").inner_text()
        assert page.get_by_role("button", name="Try again").is_visible()
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
