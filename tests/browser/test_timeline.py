"""The report of a long film in a real browser."""

from __future__ import annotations

import base64
import io
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from videovisual import render
from videovisual.protocol import Answer, Explanation, Prediction
from videovisual.saliency import Saliency

pytestmark = pytest.mark.browser

Open = Callable[..., Any]

SECONDS = 3 * 3600
LABELS = {4: "</script><img src=x onerror=alert(1)>", 7: "juggling"}
SPLIT = 7200
EXPLAINED = (100.0, 9000.0)
"""Where the explained windows begin."""


def packed(kind: str, values: Any) -> str:
    return base64.b64encode(array(kind, values).tobytes()).decode()


def prediction(index: int) -> dict[str, Any]:
    return {"index": index, "label": LABELS[index], "probability": 0.9, "logit": 4.0}


def window(begin: float, index: int) -> dict[str, Any]:
    """The report's data of a window of two seconds, eight frames."""
    frames = np.full((8, 48, 64, 3), 60, np.uint8)
    facts: dict[str, Any] = {
        "timestamps": [place / 4 for place in range(8)],
        "frame_indices": list(range(8)),
    }
    values = np.ones((8, 12, 16), np.float32)
    values[3] = 2
    made = Saliency(values, False, {}, facts)
    target = Prediction(**prediction(index))
    answer = Answer(
        model="made-up",
        predictions=[target],
        explanations=[Explanation.of(made, "gradient", target)],
        clip=facts,
    )
    data = render.report_data(answer, render.panels(answer, [made], frames))
    data["film"]["origin"] += begin
    return data


def page(folder: Path) -> str:
    """Three hours: one class leads for two of them, and another after that."""
    first = [0.9 if second < SPLIT else 0.1 for second in range(SECONDS)]
    classes = [(4, 7) if second < SPLIT else (7, 4) for second in range(SECONDS)]
    spans = {4: (0.0, float(SPLIT)), 7: (float(SPLIT), float(SECONDS))}
    stills = []
    for time in (0, 5000, 8000):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (time // 40, 80, 80)).save(buffer, "jpeg")
        url = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        stills.append({"time": time, "picture": url})
    data = {
        "version": "0",
        "film": "film.mp4",
        "model": "made-up",
        "methods": ["gradient"],
        "start_s": 0.0,
        "end_s": float(SECONDS),
        "count": SECONDS,
        "measure": "probability",
        "range": [0, 1],
        "labels": LABELS,
        "lanes": [
            {"class": 4, "led_s": SPLIT, "values": packed("f", first)},
            {"class": 7, "led_s": 3600, "values": packed("f", [1 - each for each in first])},
        ],
        "listed": 2,
        "classes": packed("i", [each for both in classes for each in both]),
        "values": packed("f", [0.9, 0.1] * SECONDS),
        "moments": [
            {
                "class": prediction(index),
                "start_s": spans[index][0],
                "end_s": spans[index][1],
                "best": {"start_s": at, "end_s": at + 1, "sees_s": [at, at + 2]},
                "explained": "moment.json",
                "page": place,
            }
            for place, (index, at) in enumerate(zip(LABELS, EXPLAINED, strict=True))
        ],
        "stills": stills,
    }
    path = folder / "film.html"
    windows = [window(at, index) for index, at in zip(LABELS, EXPLAINED, strict=True)]
    path.write_bytes(render.to_timeline(data, windows))
    return path.as_uri()


def told(page: Any) -> str:
    text: str = page.get_by_role("slider", name="Position in the film").get_attribute(
        "aria-valuetext"
    )
    return text


def test_film_curve_and_maps_scrub_together(open_page: Open, tmp_path: Path) -> None:
    watched = open_page(page(tmp_path), offline=True)
    tab = watched.page
    slider = tab.get_by_role("slider", name="Position in the film")
    assert told(tab).startswith("0:01:40.8, </script>")
    assert tab.locator(".clock").inner_text().startswith("100.75 s")

    slider.press("n")
    assert told(tab).startswith("2:30:00.8, juggling 90%")
    assert "2:30:00.00 to 2:30:02.00: juggling" in tab.locator(".explained h2").first.inner_text()
    slider.press("ArrowRight")
    assert told(tab).startswith("2:30:01.8")
    assert tab.locator(".clock").inner_text().startswith("9001.75 s")
    tab.get_by_role("button", name="Previous frame").click()
    assert told(tab).startswith("2:30:01.5")
    slider.press("p")
    assert told(tab).startswith("0:01:40.8")
    slider.press("Home")
    assert told(tab).startswith("0:00:00.0")
    # The window stays that was shown last.
    assert tab.locator(".clock").inner_text().startswith("100.75 s")
    assert watched.messages == []
    assert [each for each in watched.requests if not each.startswith(("file:", "data:"))] == []


def test_the_timeline_zooms_and_pans(open_page: Open, tmp_path: Path) -> None:
    tab = open_page(page(tmp_path)).page
    slider = tab.get_by_role("slider", name="Position in the film")
    shown = tab.locator("output.shown")
    assert shown.inner_text() == "0:00:00 – 3:00:00"
    for _ in range(20):
        slider.press("+")
    first, last = shown.inner_text().split(" – ")
    assert (first, last) == ("0:01:40", "0:01:44")
    slider.press("PageUp")
    slider.press("End")
    assert shown.inner_text() == "2:59:56 – 3:00:00"
    slider.press("0")
    assert shown.inner_text() == "0:00:00 – 3:00:00"

    box = slider.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.click(*middle)
    assert told(tab).startswith(("1:29:", "1:30:"))
    tab.keyboard.down("Control")
    tab.mouse.wheel(0, -100)
    tab.keyboard.up("Control")
    first, last = shown.inner_text().split(" – ")
    assert (first[:4], last[:4]) == ("0:18", "2:42")
    tab.get_by_role("button", name="Show the whole film").click()
    tab.get_by_text("Moments", exact=True).click()
    tab.get_by_role("button", name="2:00:00 – 3:00:00").click()
    assert told(tab).startswith("2:30:00.8")


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_window_and_draws_no_more_than_that(
    open_page: Open, tmp_path: Path, width: int
) -> None:
    watched = open_page(page(tmp_path), width=width)
    tab = watched.page
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    lengths = tab.locator(".lane .area").evaluate_all(
        "all => all.map(a => a.getAttribute('d').length)"
    )
    assert all(0 < length < 20 * 2 * width for length in lengths)
    assert tab.locator(".preview img").evaluate("image => image.naturalWidth") == 64
    assert watched.messages == []
