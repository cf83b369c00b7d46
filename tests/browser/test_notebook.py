"""The report in a notebook's cell, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.browser.test_report import Open, report

from videovisual.render import in_notebook

pytestmark = pytest.mark.browser


def test_the_player_runs_in_a_frame_that_reaches_nothing(open_page: Open, tmp_path: Path) -> None:
    report(tmp_path)
    cell = in_notebook((tmp_path / "report.html").read_bytes(), "waving & 75%")
    secret = "<script>window.secret = 'the notebook'</script>"
    page = f"<!doctype html><style>canvas {{ display: none }}</style>{secret}{cell}"
    (tmp_path / "notebook.html").write_text(page, "utf-8")
    watched = open_page((tmp_path / "notebook.html").as_uri(), offline=True)
    assert watched.page.get_by_text("waving & 75%").is_visible()
    inside = watched.page.frame_locator("iframe")
    player = inside.locator(".screen >> nth=1")
    watched.until(player.is_visible, "the player")
    inside.get_by_role("button", name="Play").click()
    watched.until(lambda: "frame 5" in inside.locator(".clock").inner_text(), "the last frame")
    (frame,) = watched.page.frames[1:]
    assert frame.evaluate("() => { try { return parent.secret } catch { return 'refused' } }") == (
        "refused"
    )
    outside = [url for url in watched.requests if not url.startswith("data:")]
    assert outside == [(tmp_path / "notebook.html").as_uri()]
    assert watched.messages == []
