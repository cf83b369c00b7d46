"""A real Chromium, with its console messages and network requests."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.viewer import MODEL, OTHER, Open, viewer, written

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_S = 60
POLL_MS = 30


def chromium_path() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Watched:
    """A page with its console messages and network requests, both of which should stay empty."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def failed(self, url: str, why: str | None) -> None:
        """Record a failed request. Chromium aborts even streams that were read to the end."""
        if why != "net::ERR_ABORTED":
            self.messages.append(f"{why}: {url}")

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for a condition. Playwright's own wait needs eval, which the policy forbids."""
        deadline = time.monotonic() + WAIT_S
        while not (met := condition()):
            assert time.monotonic() < deadline, f"timed out waiting for {what}: {self.messages}"
            self.page.wait_for_timeout(POLL_MS)
        return met


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Per module, because Playwright keeps an event loop running, which blocks any other.
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = chromium_path()
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium, or name it in $CHROMIUM")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens a page: `open_page(address, width=1280, scheme="light", offline=False)`."""
    contexts = []

    def open_(
        address: str, *, width: int = 1280, scheme: Any = "light", offline: bool = False
    ) -> Watched:
        context = chromium.new_context(
            viewport={"width": width, "height": 844 if width < 600 else 800},
            color_scheme=scheme,
            accept_downloads=True,
        )
        contexts.append(context)
        context.set_offline(offline)
        watched = Watched(context.new_page())
        page = watched.page
        page.set_default_timeout(1000 * WAIT_S)
        page.on("console", lambda entry: watched.messages.append(f"{entry.type}: {entry.text}"))
        page.on("pageerror", lambda error: watched.messages.append(str(error)))
        page.on("requestfailed", lambda request: watched.failed(request.url, request.failure))
        page.on("dialog", lambda dialog: watched.messages.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: watched.requests.append(request.url))
        page.goto(address)
        return watched

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A viewer of two models, which run in its own process."""
    pytest.importorskip("uvicorn", reason="needs the extra `ui`")
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
