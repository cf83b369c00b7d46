"""Measure the pages in a real Chromium: `python -m benchmarks.pages`.

First paint, blocking time and accessibility of the viewer, of its gallery of 1,000 results, of a
report and of a film's report; and how steadily the gallery scrolls. The figures go to
`benchmarks/results/pages.json` and `docs/pictures.md`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from tests.browser.conftest import FLAGS, chromium_path
from tests.browser.viewer import MODEL, kept, viewer, written

from benchmarks import page
from benchmarks.kept import as_rows, keep, where_and_when
from benchmarks.load.material import served, video
from benchmarks.load.uvicorn import Uvicorn
from benchmarks.row import Row, quantile, table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COMMAND = "python -m benchmarks.pages"
RESULTS = Path(__file__).parent / "results" / "pages.json"
PAGE = page.DOCS / "pictures.md"
PORT = 18300
FILM_S = 12
TIMES = 5
SETTLED_MS = 1500
RESULTS_KEPT = 1000
PAINT_BAR_MS = 1000
FRAME_BAR_MS = 34
"""Two frames of a screen that shows 60 a second."""

WATCH = """
window.blocked = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.blocked += Math.max(0, task.duration - 50);
}).observe({type: "longtask", buffered: true});
"""
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
SCROLL = """async () => {
  const cards = document.getElementById("cards");
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const gaps = [];
  let last = await frame();
  for (let number = 0; number < 300; number += 1) {
    cards.scrollTop += 120;
    const now = await frame();
    gaps.push(now - last);
    last = now;
  }
  return gaps;
}"""


@dataclass(frozen=True)
class Seen:
    """Medians over several visits, and axe-core's violations.

    Attributes:
        paint_ms: first contentful paint.
        blocking_ms: of all tasks, what is over 50 ms.
    """

    paint_ms: float
    blocking_ms: float
    violations: int


def main() -> None:
    measured: dict[str, Row] = {}
    with tempfile.TemporaryDirectory(prefix="videovisual-pages-") as name, sync_playwright() as run:
        browser = run.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        for what, address in _pages(Path(name)):
            measured[what] = _row(what, _visit(browser, address))
            if "gallery" in what:
                measured["scrolling"] = _scrolling(browser, address)
        browser.close()
    known = keep(measured, RESULTS)
    lines = [table(list(as_rows(known).values())), "", where_and_when(known.values())]
    page.write_section(PAGE, COMMAND, lines)
    print("\n".join(lines))


def _pages(work: Path) -> Iterator[tuple[str, str]]:
    """Each page's name and address, while it is served."""
    clip = written(work / "clip.npz", 3)
    options = ["--model", MODEL, "--local", "--method", "gradient", "--method", "grad_cam"]
    _run("explain", clip, *options, "-o", work / "report.html")
    yield "report of two methods", (work / "report.html").as_uri()
    yield "report of a film, explained by a server", _film(work).as_uri()
    with viewer(work / "empty", MODEL, "--local", "--device", "cpu") as address:
        yield "viewer", address
    kept(work / "full", RESULTS_KEPT)
    with viewer(work / "full", MODEL, "--local", "--device", "cpu") as address:
        yield f"viewer with a gallery of {RESULTS_KEPT:,} results", address


def _film(work: Path) -> Path:
    """The page that the command writes of a film."""
    film, store = work / "film.mp4", work / "store"
    film.write_bytes(video(count=FILM_S * 25, fps=25))
    served(MODEL, store)
    with Uvicorn([MODEL], store, "--port", str(PORT)) as server:
        where: list[str | Path] = ["--url", server.url, "--key-file", server.key_file]
        asked = ["--model", MODEL, "--method", "grad_cam", "--timeline", "--windows", "2"]
        _run("explain", film, *asked, *where, "-o", work / "film")
    (report,) = (work / "film").glob("**/index.html")
    return report


def _run(*words: str | Path) -> None:
    command = [sys.executable, "-m", "videovisual_client", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _opened(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(WATCH)
    opened = context.new_page()
    opened.goto(address)
    opened.wait_for_timeout(SETTLED_MS)
    yield opened
    context.close()


def _visit(browser: Browser, address: str) -> Seen:
    paints, blocked = [], []
    for _ in range(TIMES):
        with _opened(browser, address) as opened:
            paints.append(opened.evaluate(PAINT))
            blocked.append(opened.evaluate("() => window.blocked"))
            violations = Axe().run(opened).response["violations"]
    return Seen(median(paints), median(blocked), len(violations))


def _row(what: str, seen: Seen) -> Row:
    return Row(
        f"{what}: first paint; blocking time; violations of axe-core",
        f"≤ {PAINT_BAR_MS} ms; –; 0",
        f"{seen.paint_ms:.0f} ms; {seen.blocking_ms:.0f} ms; {seen.violations}",
        seen.paint_ms <= PAINT_BAR_MS and not seen.violations,
        vars(seen),
    )


def _scrolling(browser: Browser, address: str) -> Row:
    with _opened(browser, address) as opened:
        gaps: list[float] = opened.evaluate(SCROLL)
    slow = quantile(gaps, 0.95)
    return Row(
        f"{RESULTS_KEPT:,} results, scrolled by 120 pixels a frame: between two frames, 95%",
        f"≤ {FRAME_BAR_MS} ms",
        f"{slow:.0f} ms (median {median(gaps):.0f} ms, longest {max(gaps):.0f} ms)",
        slow <= FRAME_BAR_MS,
        {"p50_ms": median(gaps), "p95_ms": slow, "max_ms": max(gaps)},
    )


if __name__ == "__main__":
    main()
