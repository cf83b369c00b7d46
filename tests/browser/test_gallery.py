"""The viewer's gallery of kept results, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.browser.viewer import MODEL, Open, kept, shown, viewer, written

pytestmark = pytest.mark.browser


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
