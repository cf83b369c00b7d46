"""A real Chromium, watched: what it logs, what it asks for."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

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


@dataclass
class Watched:
    """A page, and what should stay empty: its complaints, and what it asked the network for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def failed(self, url: str, why: str | None) -> None:
        """Note a failed request; Chromium says so of streamed answers, even if read to the end."""
        if why != "net::ERR_ABORTED":
            self.complaints.append(f"{why}: {url}")

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for a condition. The page's policy forbids Playwright's own way, which is eval."""
        deadline = time.monotonic() + WAIT_S
        while not (met := condition()):
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.complaints}"
            self.page.wait_for_timeout(POLL_MS)
        return met


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # No longer than its module: Playwright holds an event loop open, in which no other can run.
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
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
        page.on("console", lambda said: watched.complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("requestfailed", lambda request: watched.failed(request.url, request.failure))
        page.on("dialog", lambda dialog: watched.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: watched.requests.append(request.url))
        page.goto(address)
        return watched

    yield open_
    for context in contexts:
        context.close()
