from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.frames import blocks
from tests.unit.render.made import answer, drawn, saliency

from videovisual import clips, render
from videovisual.faithfulness.measures import Faithfulness
from videovisual.protocol.measure_caveats import UNSEEN
from videovisual.protocol.sentences import summarised
from videovisual.render import report
from videovisual.render.terms import DIAGNOSTICS, MEASURES
from videovisual.saliency import Saliency

EVIL = "</script><img src=x onerror=alert(1)>&amp;\u2028'\"<!--"


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}
        self.open = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open = True

    def handle_endtag(self, tag: str) -> None:
        self.open = False

    def handle_data(self, data: str) -> None:
        if self.open:
            place = len(self.tags) - 1
            self.texts[place] = self.texts.get(place, "") + data

    def inside(self, tag: str) -> list[str]:
        return [
            self.texts.get(place, "") for place, (name, _) in enumerate(self.tags) if name == tag
        ]


def page(*saliencies: Saliency, label: str = "waving") -> str:
    told = answer(*saliencies or (saliency(),), label=label)
    return render.to_html(told, drawn(told)).decode()


def data_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Page(text).inside("script")[0])
    return found


def picture(url: str) -> Image.Image:
    head, _, body = url.partition(",")
    assert head in ("data:image/jpeg;base64", "data:image/png;base64")
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_the_page_loads_nothing_from_the_network() -> None:
    parsed = Page(page())
    for tag, attributes in parsed.tags:
        assert tag not in ("link", "iframe", "object", "embed", "img", "base", "form")
        assert not {"src", "href", "action", "srcset"} & set(attributes)
    style = parsed.inside("style")[0]
    assert "url(" not in style
    assert "@import" not in style
    addresses = re.findall(r"https?://[^\s\"'`]+", page())
    assert addresses == ["http://www.w3.org/2000/svg"]


def test_the_pages_own_policy_lets_only_its_own_script_run() -> None:
    parsed = Page(page())
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in parsed.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for name, text in (
        ("script", parsed.inside("script")[1]),
        ("style", parsed.inside("style")[0]),
    ):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_html_in_labels_and_facts_is_escaped() -> None:
    evil = Saliency(
        saliency().map, signed=False, diagnostics={EVIL: EVIL}, provenance={"file": EVIL}
    )
    text = page(evil, label=EVIL)
    names = [tag for tag, _ in Page(text).tags]
    assert names == [tag for tag, _ in Page(page()).tags]
    assert "onerror=alert(1)>" not in text.replace("&gt;", "")
    assert not set("<>&") & set(Page(text).inside("script")[0]), "browsers know more ends than tags"
    assert Page(text).inside("title")[0].startswith(EVIL)
    (told,) = data_of(text)["maps"]
    assert told["target"]["label"] == EVIL
    assert told["diagnostics"] == {EVIL: EVIL}


def test_the_atlas_holds_the_levels_of_every_frame() -> None:
    made = saliency(signed=True)
    (told,) = data_of(page(made))["maps"]
    atlas = np.asarray(picture(told["atlas"]))
    assert (told["columns"], told["tile"]) == (3, [16, 16])
    heat = render.Heat.of(made)
    for place in range(6):
        top, left = 16 * (place // 3), 16 * (place % 3)
        levels = (atlas[top : top + 16, left : left + 16].astype(int) - 128) / 127
        np.testing.assert_allclose(levels, heat.level[place], atol=0.005)
    assert told["full"] == heat.full
    assert told["crop"] == pytest.approx([20 / 91, 10 / 60, 60 / 91, 50 / 60])


def test_the_frames_are_all_source_frames_at_their_times() -> None:
    frames = np.repeat(blocks(12, 2, 2)[:, :1, :1], 48, axis=1).repeat(64, axis=2)
    source = clips.open_frames(frames, fps=10.0)
    seen = [0, 2, 4, 6, 8, 10]
    told = answer(saliency(times=[index / 10 for index in seen]))
    told.clip["frame_indices"] = seen
    maps = [told.explanations[0].to_saliency()]
    html = render.to_html(told, render.panels(told, maps, frames[seen], source)).decode()
    film = data_of(html)["film"]
    assert [shot["start"] for shot in film["shots"]] == pytest.approx([n / 10 for n in range(12)])
    assert film["length"] == pytest.approx(1.2)
    for shot in film["shots"]:
        pixel = np.asarray(picture(shot["picture"]))[20, 30]
        assert np.abs(pixel.astype(int) - frames[shot["frame"], 20, 30]).max() < 12


def test_caveats_and_numbers_that_are_not_finite_are_in_the_page() -> None:
    text = page(saliency(partial=True, objective=float("nan"), course=[1.0, float("inf")]))
    (told,) = data_of(text)["maps"]
    assert told["doubts"][0].startswith("Partial")
    assert told["diagnostics"]["objective"] == "nan"
    assert told["diagnostics"]["course"] == [1.0, "inf"]


def test_the_words_are_in_the_page_with_and_without_its_script() -> None:
    told = answer(saliency(), label=EVIL)
    told.explanations[0] = summarised(told.explanations[0], told)
    text = render.to_html(told, drawn(told)).decode()
    (shown,) = data_of(text)["maps"]
    assert shown["summary"] == told.explanations[0].summary
    assert Page(text).inside("p") == [told.explanations[0].summary]
    assert shown["summary"].startswith(f"made-up says {EVIL}, 90.0%; next is walking, 10.0%.")


def test_a_report_names_its_clip_and_when_it_was_made() -> None:
    told = answer(saliency(), label="waving")
    made = datetime(2026, 11, 30, 3, 4, tzinfo=timezone(timedelta(hours=2)))
    text = render.to_html(told, drawn(told), name=EVIL, made=made).decode()
    data = data_of(text)
    assert (data["name"], data["made"]) == (EVIL, "2026-11-30 01:04 UTC")
    assert Page(text).inside("title")[0].startswith("waving: made-up, </script><img")
    data = data_of(page())
    assert (data["name"], data["made"]) == (None, None), "the same answer gives the same bytes"


def test_every_measure_is_explained() -> None:
    faithful = {each.name for each in fields(Faithfulness)} - {"undefined"}
    alike = {f"stability_{change}{kind}" for change in UNSEEN for kind in ("", "_overlap")}
    assert faithful | alike | {"stability", "stability_overlap"} == MEASURES.keys()
    assert {"prediction_entropy", "evaluated", "undefined", "target_read_as"} <= DIAGNOSTICS.keys()


def test_the_page_is_in_every_archive() -> None:
    mar = pytest.importorskip("videovisual_archive.mar", reason="needs the extra `server`")
    names = {path.relative_to(mar.package_folder()).as_posix() for path in mar._package_files()}
    assert {f"render/page/report.{kind}" for kind in ("html", "css", "js")} <= names


def test_size_is_bounded_for_long_films_and_many_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_FRAMES", 20)
    monkeypatch.setattr(report, "MAX_PIXELS", 20 * 64 * 48)
    monkeypatch.setattr(report, "MAX_MAP_PIXELS", 8 * 6 * 12**2)
    frames = blocks(100, 480, 640)
    source = clips.open_frames(frames, fps=25.0)
    told = answer(*[saliency()] * 8)
    told.clip["frame_indices"] = [0, 20, 40, 60, 80, 99]
    maps = [explanation.to_saliency() for explanation in told.explanations]
    made = render.report_data(told, render.panels(told, maps, frames[:6], source))
    assert len(made["film"]["shots"]) == 20
    assert (made["film"]["width"], made["film"]["height"]) == (64, 48)
    assert made["film"]["source_width"] == 640
    assert all(told["tile"] == [12, 12] for told in made["maps"])
