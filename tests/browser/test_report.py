"""The report in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from videovisual import render
from videovisual.protocol import Answer, Explanation, Prediction
from videovisual.protocol.sentences import summarised
from videovisual.saliency import Saliency

pytestmark = pytest.mark.browser

Open = Callable[..., Any]

COUNT = 6
FPS = 5.0
SIDE = 120
EVIL = "</script><img src=x onerror=alert(1)>"
SHOWN = ".screen >> nth=1"
HOT, WEAK, COLD = (0.25, 0.25), (0.75, 0.25), (0.75, 0.75)
"""Places on the screen as shares of its width and height."""


def report(folder: Path, label: str = "waving", two_targets: bool = False) -> str:
    """Six frames, each of one grey, under two maps: strong upper left, weak upper right.

    Of two methods for `label`; or, with `two_targets`, of one method for each.
    """
    greys = np.arange(40, 40 + 30 * COUNT, 30, dtype=np.uint8)
    frames = np.broadcast_to(greys[:, None, None, None], (COUNT, SIDE, SIDE, 3)).copy()
    values = np.zeros((COUNT, 32, 32), dtype=np.float32)
    values[:, :16, :16] = 1 - 0.1 * np.abs(np.arange(COUNT) - 2)[:, None, None]
    values[:, :16, 16:] = 0.3
    times = [index / FPS for index in range(COUNT)]
    facts: dict[str, Any] = {"timestamps": times, "frame_indices": list(range(COUNT))}
    first = Saliency(values, False, {"layer": "x"}, {**facts, "method": "gradient"})
    second = Saliency(
        values * np.where(np.arange(32) < 16, 1, -1).astype(np.float32),
        True,
        {"relative_delta": 0.2, "course": [float(n) for n in range(20)]},
        {**facts, "method": "integrated_gradients"},
    )
    target = Prediction(index=3, label=label, probability=0.75, logit=4.0)
    maps = [first, first] if two_targets else [first, second]
    other = Prediction(index=1, label="other", probability=0.25, logit=3.0)
    answer = Answer(
        model="made-up", predictions=[target, other], clip={**facts, "source": {"format": "mp4"}}
    )
    answer.explanations = [
        summarised(
            Explanation.of(
                made,
                str(made.provenance["method"]),
                explained,
                {"insertion": 0.6, "deletion": 0.2, "sensitivity_n": None, "relative_delta": None},
            ),
            answer,
        )
        for made, explained in zip(maps, [target, other if two_targets else target], strict=True)
    ]
    made_at = datetime(2026, 11, 30, 1, 4, tzinfo=timezone.utc)
    drawn = render.panels(answer, maps, frames)
    path = folder / "report.html"
    path.write_bytes(render.to_html(answer, drawn, name="clip.mp4", made=made_at))
    return path.as_uri()


def colour(page: Any, place: tuple[float, float], screen: str = SHOWN) -> list[int]:
    """The pixel at a place of a screen."""
    found: list[int] = page.locator(screen).evaluate(
        "(screen, [x, y]) => [...screen.getContext('2d').getImageData("
        "Math.floor(x * screen.width), Math.floor(y * screen.height), 1, 1).data].slice(0, 3)",
        list(place),
    )
    return found


def grey(index: int) -> int:
    return 40 + 30 * index


def is_grey(page: Any, index: int, place: tuple[float, float] = COLD) -> bool:
    return all(abs(channel - grey(index)) <= 3 for channel in colour(page, place))


def clock(page: Any) -> str:
    text: str = page.locator(".clock").inner_text()
    return text


def opened(open_page: Open, folder: Path, **how: Any) -> Any:
    watched = open_page(report(folder), **how)
    watched.until(lambda: is_grey(watched.page, 2), "the first picture")
    return watched


def test_it_opens_at_the_strongest_frame_without_the_network(
    open_page: Open, tmp_path: Path
) -> None:
    watched = opened(open_page, tmp_path, offline=True)
    assert clock(watched.page).startswith("0.40 s, frame 2")
    assert watched.page.locator("h1").inner_text() == "waving, 75.0%"
    watched.page.get_by_role("button", name="Play").click()
    watched.until(lambda: "frame 5" in clock(watched.page), "the last frame")
    outside = [url for url in watched.requests if not url.startswith("data:")]
    assert outside == [(tmp_path / "report.html").as_uri()]
    assert watched.messages == []


def test_it_plays_loops_and_stops(open_page: Open, tmp_path: Path) -> None:
    watched = opened(open_page, tmp_path)
    page = watched.page
    page.get_by_role("button", name="Play").click()
    for index in (4, 5, 0, 1):
        watched.until(lambda index=index: f"frame {index}," in clock(page), f"frame {index}")
    page.get_by_role("button", name="Pause").click()
    stopped = clock(page)
    page.wait_for_timeout(500)
    assert clock(page) == stopped


def test_the_frame_follows_the_slider_and_the_curve(open_page: Open, tmp_path: Path) -> None:
    watched = opened(open_page, tmp_path)
    page = watched.page
    page.get_by_label("Frame", exact=True).fill("4")
    watched.until(lambda: is_grey(page, 4), "frame 4")
    assert clock(page).startswith("0.80 s, frame 4")
    assert clock(page).count("frame") == 1
    curve = page.locator("svg.curve")
    box = curve.bounding_box()
    curve.click(position={"x": box["width"] * 1.5 / COUNT, "y": box["height"] / 2})
    watched.until(lambda: is_grey(page, 1), "frame 1")
    heights = [float(bar.get_attribute("height")) for bar in curve.locator("rect").all()]
    assert heights.index(max(heights)) == 2


def test_strength_and_threshold_change_the_picture(open_page: Open, tmp_path: Path) -> None:
    watched = opened(open_page, tmp_path)
    page = watched.page
    assert not is_grey(page, 2, HOT)
    assert not is_grey(page, 2, WEAK)
    page.get_by_label("Hide what is weaker than").fill("60")
    watched.until(lambda: is_grey(page, 2, WEAK), "the weak part to go")
    assert not is_grey(page, 2, HOT)
    page.get_by_label("Strength").fill("0")
    watched.until(lambda: is_grey(page, 2, HOT), "all heat to go")
    page.get_by_label("Strength").fill("100")
    watched.until(lambda: min(colour(page, HOT)[:2]) > 200, "the full colour")


def test_another_method_has_its_own_colours_legend_and_caveats(
    open_page: Open, tmp_path: Path
) -> None:
    watched = opened(open_page, tmp_path)
    page = watched.page
    assert "Maximum on the border" in page.get_by_role("status").inner_text()
    page.get_by_label("Map", exact=True).select_option("integrated_gradients for waving")
    watched.until(lambda: colour(page, HOT)[0] > colour(page, HOT)[2] + 60, "red for")
    right = colour(page, WEAK)
    assert right[2] > right[0] + 10, "blue against"
    assert "miss the rise of the logit by 20%" in page.get_by_role("status").inner_text()
    legend = page.locator(".ends").inner_text()
    assert "against" in legend
    assert "logit a pixel" in legend
    assert "for" in legend
    page.get_by_label("Beside it").select_option("gradient for waving")
    watched.until(
        lambda: colour(page, WEAK, ".screen >> nth=0") != colour(page, WEAK), "the other map"
    )


def test_the_page_names_what_it_shows(open_page: Open, tmp_path: Path) -> None:
    watched = opened(open_page, tmp_path)
    page = watched.page
    about = page.locator(".sub").inner_text()
    assert about.startswith("clip.mp4 · made-up · mp4, 120 × 120 · ")
    assert about.endswith("6 frames, 6 seen by the model · made 2026-11-30 01:04 UTC")
    summary = page.locator(".summary").inner_text()
    assert summary.startswith("made-up says waving, 75.0%; next is other, 25.0%. By gradient, ")
    assert page.locator(SHOWN).get_attribute("aria-label") == (
        f"A frame with gradient for waving over it. {summary}"
    )
    caption = page.locator("figcaption >> nth=1").inner_text()
    start = "gradient for waving; made-up gives it 75.0%; take it with care: Maximum on the border"
    assert caption.startswith(start)
    assert "the network's layer that the map is made of" in page.locator("aside").inner_text()
    assert page.get_by_role("button", name="waving").count() == 0, "there is no other map"


def test_a_class_leads_to_its_map(open_page: Open, tmp_path: Path) -> None:
    watched = open_page(report(tmp_path, two_targets=True))
    page = watched.page
    watched.until(lambda: is_grey(page, 2), "the first picture")
    page.get_by_role("button", name="other").click()
    watched.until(lambda: page.locator("h1").inner_text() == "other, 25.0%", "the other class")
    assert page.get_by_label("Map", exact=True).input_value() == "1"
    assert "this map is for other, 25.0%" in page.locator(".summary").inner_text()
    assert page.evaluate("document.activeElement.textContent") == "other"
    assert page.get_by_role("button", name="other").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    watched.until(lambda: page.locator("h1").inner_text() == "waving, 75.0%", "by the keyboard")
    assert watched.messages == []


def test_the_keyboard_suffices(open_page: Open, tmp_path: Path) -> None:
    watched = opened(open_page, tmp_path)
    page = watched.page
    for key, index in (("ArrowRight", 3), ("ArrowLeft", 2), ("End", 5), ("Home", 0)):
        page.keyboard.press(key)
        watched.until(lambda index=index: is_grey(page, index), f"frame {index} by {key}")
    page.keyboard.press("Space")
    watched.until(lambda: "frame 2," in clock(page), "playing")
    page.keyboard.press("Space")
    assert page.get_by_role("button", name="Play").is_visible()
    page.keyboard.press("m")
    watched.until(lambda: page.get_by_role("status").is_visible(), "the next map")

    reached = []
    for _ in range(11):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "() => [document.activeElement.ariaLabel || document.activeElement.textContent,"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        reached.append(name)
        assert outline != "none", f"{name} doesn't show that it has the focus"
    for wanted in ("Play", "Previous frame", "Next frame", "Frame", "Speed", "Save this picture"):
        assert wanted in reached
    assert "Provenance" in reached


def test_a_picture_can_be_saved(open_page: Open, tmp_path: Path) -> None:
    watched = opened(open_page, tmp_path)
    with watched.page.expect_download() as saving:
        watched.page.get_by_role("button", name="Save this picture").click()
    assert saving.value.suggested_filename == "made-up-frame-2.png"
    with Image.open(saving.value.path()) as picture:
        assert picture.size == (480, 480)


def test_text_of_users_is_never_executed(open_page: Open, tmp_path: Path) -> None:
    watched = open_page(report(tmp_path, label=EVIL))
    watched.until(lambda: is_grey(watched.page, 2), "the first picture")
    assert watched.page.locator("h1").inner_text() == f"{EVIL}, 75.0%"
    assert watched.page.locator("img").count() == 0
    assert watched.messages == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_width_and_is_legible(
    open_page: Open, tmp_path: Path, width: int, scheme: str
) -> None:
    watched = open_page(report(tmp_path), width=width, scheme=scheme)
    page = watched.page
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("m")
    for text in (
        ".sub",
        ".summary",
        "th small",
        ".note",
        "th",
        ".doubts li",
        "button.main",
        "h2",
        ".clock",
    ):
        ink, paper = page.locator(text).first.evaluate(
            """(element) => {
              const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
              let under = element;
              while (under && channels(getComputedStyle(under).backgroundColor)[3] === 0) {
                under = under.parentElement;
              }
              const paper = getComputedStyle(under ?? document.body).backgroundColor;
              return [channels(getComputedStyle(element).color), channels(paper)];
            }"""
        )
        assert contrast(ink[:3], paper[:3]) >= 4.5, f"{text}: {ink} on {paper}"
    for field in ("select >> nth=0", "button >> nth=1", ".ramp"):
        edge, paper = page.locator(field).evaluate(
            """(element) => {
              const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
              const around = element.closest(".card") ?? document.body;
              const edge = getComputedStyle(element).borderTopColor;
              return [edge, getComputedStyle(around).backgroundColor].map(channels);
            }"""
        )
        assert contrast(edge[:3], paper[:3]) >= 3, f"the border of {field}: {edge} on {paper}"
    assert watched.messages == []


def contrast(one: list[float], other: list[float]) -> float:
    """The ratio of WCAG 2.2."""

    def luminance(colour: list[float]) -> float:
        shares = np.array(colour) / 255
        linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
