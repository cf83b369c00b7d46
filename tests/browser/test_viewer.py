"""The viewer in a real browser, with a real model behind it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videovisual import motion

pytest.importorskip("uvicorn", reason="needs the extra `ui`")

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
MODEL = "tsm-motion"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "videovisual_client", "ui", MODEL, "--local", "--port", "0"]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    yield line.partition(" at ")[2].split()[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "a <b>clip&.npz"
    np.savez_compressed(path, frames=motion.sample(3).frames, fps=8.0)
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


def test_upload_progress_result_change(open_page: Open, address: str, clip: Path) -> None:
    watched = opened(open_page, address, clip)
    page = watched.page
    assert page.locator("#clipname").inner_text() == clip.name
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
    assert page.locator("h1").nth(1).inner_text().startswith("moves down")
    assert "rise for moves down" in page.locator("#list").inner_text()
    assert "masks 40" in page.locator("#list").inner_text()
    page.get_by_label("Frame", exact=True).fill("5")
    watched.until(lambda: "frame 5," in page.locator(".clock").inner_text(), "frame 5")
    page.get_by_label("Strength").fill("20")
    page.get_by_role("button", name="Play").click()
    watched.until(lambda: "frame 7," in page.locator(".clock").inner_text(), "playing")
    assert watched.messages == []


def test_results_are_compared_and_kept(
    open_page: Open, address: str, clip: Path, tmp_path: Path
) -> None:
    watched = opened(open_page, address, clip)
    page = watched.page
    explain(watched, "grad_cam", 1)
    explain(watched, "gradient", 2)
    page.get_by_role("button", name="Beside: grad_cam").click()
    clocks = page.locator(".clock")
    assert clocks.count() == 2
    page.get_by_label("Frame", exact=True).first.fill("9")
    watched.until(
        lambda: all("frame 9," in text for text in clocks.all_inner_texts()), "both at frame 9"
    )
    for suffix, begins in (("html", b"<!doctype"), ("npz", b"PK"), ("mp4", b"\0\0\0")):
        with page.expect_download() as saving:
            page.locator("#list li").first.get_by_text(suffix, exact=True).click()
        assert saving.value.suggested_filename == f"{MODEL}-gradient.{suffix}"
        assert Path(saving.value.path()).read_bytes().startswith(begins)
    page.get_by_role("button", name="Beside: grad_cam").click()
    assert clocks.count() == 1
    assert watched.messages == []


def test_cancelling_leaves_the_viewer_ready(open_page: Open, address: str, clip: Path) -> None:
    watched = opened(open_page, address, clip)
    page = watched.page
    page.locator("#method").select_option("rise")
    page.get_by_text("Parameters").click()
    page.get_by_label("masks").first.fill("20000")
    page.get_by_role("button", name="Explain").click()
    watched.until(lambda: "of 20000" in page.locator("#status").inner_text(), "progress")
    page.get_by_role("button", name="Cancel").click()
    watched.until(lambda: "ancelled" in page.get_by_role("alert").inner_text(), "the end")
    assert not page.get_by_role("button", name="Cancel").is_visible()
    assert page.locator("#list li").count() == 0
    explain(watched, "gradient", 1)
    assert watched.messages == []


def test_a_clip_is_dropped_in_and_errors_are_shown(
    open_page: Open, address: str, clip: Path, tmp_path: Path
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
    page.get_by_text("Drop another to change it").wait_for()
    page.get_by_role("button", name="Explain").click()
    watched.until(lambda: "video" in page.get_by_role("alert").inner_text(), "the refusal")
    page.locator("#file").set_input_files(clip)
    watched.until(lambda: page.locator("#clipname").inner_text() == clip.name, "the new clip")
    page.get_by_text("Drop another to change it").wait_for()
    page.get_by_label("Model").fill("no-such-model")
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
    page.get_by_label("Model").fill(" ")
    page.get_by_role("button", name="Explain").click()
    assert page.get_by_role("alert").inner_text() == "Name a model."


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_width(open_page: Open, address: str, clip: Path, width: int) -> None:
    watched = opened(open_page, address, clip, width=width)
    page = watched.page
    page.get_by_text("Parameters").click()
    explain(watched, "gradient", 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert watched.messages == []
