"""A saliency of the library shows itself, and saves itself as a client's result does."""

from __future__ import annotations

import copy
import html
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import videovisual
from videovisual import motion, zoo
from videovisual.errors import InvalidParameter, UnknownOutput
from videovisual.protocol import Answer
from videovisual.saliency import Saliency
from videovisual_client import Explained
from videovisual_client.local import Local

MODEL = "tsm-motion"
SHORT = 400
"""Letters of a text that is shown in a terminal."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.npz"
    np.savez(path, frames=motion.sample(4, split="test").frames)
    return path


@pytest.fixture(scope="module")
def saliency(clip: Path) -> Saliency:
    return videovisual.explain(MODEL, str(clip), "gradient_x_input")


@pytest.fixture(scope="module")
def result(clip: Path) -> Explained:
    with Local("cpu") as local:
        return local.explain(str(clip), model=MODEL, method="gradient_x_input")


@pytest.mark.parametrize("suffix", ["png", "gif", "mp4", "html"])
def test_it_saves_what_a_result_saves(
    suffix: str, saliency: Saliency, result: Explained, tmp_path: Path
) -> None:
    made = saliency.save(tmp_path / "new" / f"own.{suffix}")
    served = result.save(tmp_path / f"served.{suffix}")
    assert made == tmp_path / "new" / f"own.{suffix}"
    sizes = [path.stat().st_size for path in (made, served)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)
    if suffix == "png":
        pictures = [np.asarray(Image.open(path), np.int16) for path in (made, served)]
        assert np.abs(pictures[0] - pictures[1]).mean() < 1


def test_numbers_are_saved_too(saliency: Saliency, tmp_path: Path) -> None:
    back = Saliency.from_npz(saliency.save(tmp_path / "map.npz").read_bytes())
    np.testing.assert_array_equal(back.map, saliency.map)
    answer = Answer.model_validate_json(saliency.save(tmp_path / "all.json").read_text("utf-8"))
    assert answer.model == MODEL
    assert answer.explanations[0].target.label == saliency.provenance["target"]["label"]
    np.testing.assert_array_equal(answer.explanations[0].map.to_numpy(), saliency.map)


def test_a_side_of_it_is_drawn_as_that_side(saliency: Saliency, tmp_path: Path) -> None:
    side = saliency.polarised("positive").save(tmp_path / "side.json").read_text("utf-8")
    assert json.loads(side)["explanations"][0]["signed"] is False
    assert saliency.polarised("positive")._repr_png_() != saliency._repr_png_()


def test_a_notebook_shows_the_strip(saliency: Saliency, result: Explained, tmp_path: Path) -> None:
    png = saliency._repr_png_()
    assert png == saliency.save(tmp_path / "strip.png").read_bytes()
    assert result._repr_png_() == result.save(tmp_path / "served.png").read_bytes()
    assert len(png) < 300_000


def test_a_notebook_shows_the_report_too(
    saliency: Saliency, result: Explained, tmp_path: Path
) -> None:
    for shown in (saliency, result):
        page = shown._repr_html_()
        report = shown.save(tmp_path / "report.html").read_text("utf-8")
        (frame,) = re.findall(r'srcdoc="([^"]*)"', page)
        assert html.unescape(frame) == report
        assert f"<div>{html.escape(repr(shown))}</div>" in page
        assert len(page) < 1_000_000


def test_without_its_clip_a_notebook_shows_the_text(clip: Path, tmp_path: Path) -> None:
    moved = tmp_path / "clip.npz"
    moved.write_bytes(clip.read_bytes())
    with Local("cpu") as local:
        result = local.explain(str(moved), model=MODEL, method="gradient")
    moved.unlink()
    assert result._repr_png_() is None
    assert result._repr_html_() is None


def test_without_a_clip_only_numbers_are_saved(saliency: Saliency, tmp_path: Path) -> None:
    tensor = zoo.load(MODEL).prepare(motion.sample(4).frames[::2])
    read = Saliency.from_npz(saliency.to_npz())
    for lost in (read, videovisual.explain(MODEL, tensor, "gradient")):
        assert lost._repr_png_() is None
        assert lost._repr_html_() is None
        assert lost.save(tmp_path / "map.npz").stat().st_size > 1000
        with pytest.raises(InvalidParameter, match=r"strip\.png needs the clip.*Save it as \.npz"):
            lost.save(tmp_path / "strip.png")


def test_an_unknown_suffix_writes_nothing(saliency: Saliency, tmp_path: Path) -> None:
    for name in ("a.bmp", "a"):
        with pytest.raises(
            UnknownOutput, match="Allowed: json, npz, png, pdf, svg, gif, mp4, html"
        ):
            saliency.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_copy_knows_no_clip_and_the_same_map(saliency: Saliency) -> None:
    for same in (pickle.loads(pickle.dumps(saliency)), copy.deepcopy(saliency)):
        np.testing.assert_array_equal(same.map, saliency.map)
        assert same.provenance == saliency.provenance
        assert same._repr_png_() is None


def test_texts_are_short_and_say_what_it_is(saliency: Saliency, result: Explained) -> None:
    label = saliency.provenance["target"]["label"]
    percent = f"{100 * result.explanations[0].target.probability:.1f}%"
    assert repr(saliency) == (
        f"Saliency(gradient_x_input, {MODEL}, {label}, {percent}, float32 [8, 64, 64], signed)"
    )
    made = Saliency(np.zeros((2, 3, 4), np.float32), signed=False)
    assert repr(made) == "Saliency(float32 [2, 3, 4], unsigned)"
    for shown in (result, result.answer, result.explanations[0], result.explanations[0].map):
        for text in (repr(shown), str(shown)):
            assert len(text) < SHORT
            assert "base64" not in text
    assert label in repr(result)
    assert "(8, 64, 64)" in repr(result)
    model = zoo.load(MODEL)
    assert repr(model) == f"Classifier('{MODEL}', 10 classes, cpu)"
    assert len(repr(zoo.card("i3d-kinetics400"))) < SHORT


def test_texts_of_many_classes_and_maps_are_short(result: Explained) -> None:
    explanations = result.explanations * 64
    predictions = [
        each.model_copy(update={"label": f"{each.label} {number}"})
        for number in range(200)
        for each in result.predictions
    ]
    many = result.answer.model_copy(
        update={"explanations": explanations, "predictions": predictions}
    )
    frames = np.zeros((64, 224, 224, 3), np.uint8)
    assert len(repr(Explained(many, frames))) < 3 * SHORT


def test_a_network_on_no_device_is_shown() -> None:
    assert "cpu" in repr(zoo.Classifier(zoo.card(MODEL), torch.nn.Identity()))
