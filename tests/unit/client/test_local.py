"""`Local` answers as a server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import videovisual
from videovisual.attribution import catalogue
from videovisual_client import (
    Cancelled,
    InvalidTarget,
    Partial,
    Progress,
    UnknownModel,
    UnsupportedMedia,
)
from videovisual_client.cli import main
from videovisual_client.local import Local

MODEL = "i3d-motion"


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    with Local("cpu") as local:
        yield local


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return videovisual.motion.sample(0, split="test").frames


def test_the_same_as_the_library(local: Local, frames: np.ndarray) -> None:
    steps: list[Progress] = []
    plain = local.explain(frames, model=MODEL, method="integrated_gradients", steps=3)
    followed = local.explain(
        frames, model=MODEL, method="integrated_gradients", steps=3, on_progress=steps.append
    )
    library = videovisual.explain(MODEL, frames, "integrated_gradients", steps=3)
    np.testing.assert_array_equal(plain.saliency.map, followed.saliency.map)
    np.testing.assert_allclose(plain.saliency.map, library.map, rtol=1e-4, atol=1e-6)
    assert {step.of for step in steps} == {3}
    assert local.classify(frames, model=MODEL).predictions == plain.predictions


def test_errors_keep_their_classes(local: Local, frames: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InvalidTarget):
        local.explain(frames, model=MODEL, target="nonsense")
    with pytest.raises(InvalidTarget):
        local.explain(frames, model=MODEL, target="nonsense", on_progress=print)
    with pytest.raises(UnknownModel):
        local.classify(frames, model="no-such-model")
    text = tmp_path / "clip.mp4"
    text.write_text("no video " * 100)
    with pytest.raises(UnsupportedMedia):
        local.classify(text, model=MODEL)


def test_cancel(local: Local, frames: np.ndarray) -> None:
    with local.submit(frames, model=MODEL, method="rise", masks=5000) as job:
        next(job)
        job.cancel()
        with pytest.raises(Cancelled):
            job.result()
    assert local.classify(frames, model=MODEL).predictions


@pytest.mark.parametrize("times", [1, 2])
def test_a_cancelled_search_may_keep_its_best_map(
    local: Local, frames: np.ndarray, times: int
) -> None:
    search = {"method": "step", "area": 0.1, "iterations": 10_000, "partial_every_s": 0.2}
    with local.submit(frames, model=MODEL, partial=True, **search) as job:
        assert any(isinstance(event, Partial) for event in job)
        for _ in range(times):
            assert job.cancel()
        if times == 1:
            explanation = job.result().explanations[0]
            assert explanation.diagnostics["partial"]
            assert explanation.to_saliency().map.any()
        else:
            with pytest.raises(Cancelled):
                job.result()


def test_the_command(tmp_path: Path, frames: np.ndarray) -> None:
    clip = tmp_path / "clip.npz"
    np.savez(clip, frames=frames)
    picture = tmp_path / "strip.png"
    done = CliRunner().invoke(
        main, ["explain", str(clip), "--model", MODEL, "--local", "--json", "-o", str(picture)]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["explanations"][0]["method"] == catalogue.DEFAULT
    assert picture.stat().st_size > 1000
