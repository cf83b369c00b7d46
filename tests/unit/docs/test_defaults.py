"""Every place that names a default names the one that is used."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from click.testing import CliRunner
from docs import openapi

import videovisual
from videovisual import zoo
from videovisual.attribution import catalogue
from videovisual.pipeline.plan import Plan
from videovisual.protocol import split_options
from videovisual_client.cli import main

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text("utf-8")
API = (ROOT / "docs/api.md").read_text("utf-8")
METHODS = (ROOT / "docs/methods.md").read_text("utf-8")


def test_the_default_method_is_one_everywhere() -> None:
    name = catalogue.DEFAULT
    assert inspect.signature(videovisual.explain).parameters["method"].default == name
    help_text = CliRunner().invoke(main, ["explain", "--help"], terminal_width=200).output
    told = " ".join(help_text.split())
    assert f"`videovisual methods` says more. [{name}]" in told
    assert f"`{name}` is the default" in README
    assert re.search(rf"^\| `{name}` \(default\) \|", README, re.M)
    assert f"| method | `{name}` |" in METHODS
    assert f"with `{name}` unless a `method`" in API
    assert f"`{name}` on explain routes" in API


def test_an_explain_route_takes_the_default_method(small: zoo.Classifier) -> None:
    plan = Plan.of(small, *split_options({}), explain=True)
    assert plan.methods == (catalogue.DEFAULT,)


def test_the_default_frames_are_the_cards() -> None:
    spec = zoo.card("i3d-kinetics400").input
    assert spec.fps
    assert f"I3D sees {spec.frames} frames, {spec.frames / spec.fps:.2f} s" in README
    assert f"| frames of `i3d-kinetics400` | {spec.frames} |" in METHODS


def test_the_layers_of_grad_cam_are_the_cards() -> None:
    assert f"`{zoo.card('i3d-kinetics400').cam_layer}` | an earlier" in METHODS
    assert f"for I3D `{zoo.card('i3d-motion').cam_layer}`" in METHODS


def test_no_example_asks_for_other_frames() -> None:
    """Examples about one clip that use other frames give other classes, which contradicts."""
    others = re.sub(r"I3D sees.*|InputSpec\(frames=\d+", "", README)
    assert not re.search(r"frames[ =]\d", others)


def test_parameters_have_the_defaults_that_the_page_lists() -> None:
    defaults = {
        "steps": "12",
        "samples": "25",
        "masks": "1000",
        "baseline": catalogue.find("grad_cam").parse({}).model_dump()["baseline"],
    }
    for name, value in defaults.items():
        assert re.search(rf"`{name}` \| `?{value}`? \|", METHODS)


def test_the_api_document_says_what_is_the_default() -> None:
    assert f"`{catalogue.DEFAULT}`" in openapi.PAGE.read_text("utf-8")
