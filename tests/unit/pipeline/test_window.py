"""Which part of a clip is explained, and what its provenance says of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.frames import blocks

from videovisual import clips, explain, motion, zoo
from videovisual.errors import InvalidParameter
from videovisual.pipeline.preprocessing import read, sampling
from videovisual.protocol import Options
from videovisual.protocol.caveats import clip_caveats
from videovisual.zoo import Classifier

FPS = 8


@pytest.fixture(scope="module")
def model() -> Classifier:
    """A small network that samples 8 frames a second, so that a window has 2 s."""
    small = zoo.load("r3d-motion")
    card = replace(small.card, input=replace(small.card.input, fps=FPS))
    return Classifier(card, small.network, small.weights_sha256)


@pytest.fixture(scope="module")
def film() -> clips.Source:
    """Four clips of Motion one after the other, of 2 s each; the third alone is of its class."""
    labels = {motion.sample(index).label: index for index in range(40)}
    chosen = list(labels.values())[:4]
    frames = np.concatenate([motion.sample(index).frames for index in chosen])
    return clips.open_frames(frames, fps=FPS)


def test_the_best_window_is_the_one_where_the_target_is_likeliest(
    model: Classifier, film: clips.Source
) -> None:
    parts = [
        read(model, film, sampling(model.card, Options(start_s=2 * k, end_s=2 * k + 2)))
        for k in range(4)
    ]
    with torch.inference_mode():
        chances = [model.network(part.clip[None])[0].softmax(dim=0) for part in parts]
    for target in (0, 3, 7):
        likeliest = int(np.argmax([float(each[target]) for each in chances]))
        found = explain(model, film, "gradient", target, window="best").provenance
        assert found["frame_indices"] == parts[likeliest].facts["frame_indices"]
        assert found["window"]["of"] == 4
        expected = [float(each[target]) for each in chances]
        assert found["window"]["probabilities"] == pytest.approx(expected, abs=1e-3)
        assert found["looked_at_s"] == 2
        assert found["of_s"] == 8
    central = explain(model, film, "gradient").provenance
    assert central["frame_indices"] == list(range(24, 40))
    assert "window" not in central


def test_a_clip_that_is_one_window_has_no_better_one(film: clips.Source) -> None:
    whole = zoo.load("r3d-motion")
    best = explain(whole, film, "gradient", window="best")
    assert best.provenance["window"]["of"] == 1
    assert (best.map == explain(whole, film, "gradient").map).all()


def test_a_prepared_clip_has_no_windows(model: Classifier) -> None:
    with pytest.raises(InvalidParameter, match="window=best"):
        explain(model, torch.zeros(3, 16, 64, 64), "gradient", window="best")


def test_a_short_look_is_told_unless_it_was_asked_for(
    model: Classifier, film: clips.Source
) -> None:
    (text,) = clip_caveats(explain(model, film, "gradient").provenance)
    assert text.startswith("Looked at 2.00 of 8.0 s")
    chosen = explain(model, film, "gradient", start_s=2, end_s=4.5)
    assert list(clip_caveats(chosen.provenance)) == []


def test_a_clip_that_is_not_of_motion_is_told() -> None:
    small = zoo.load("r3d-motion")
    (text,) = clip_caveats(explain(small, blocks(16, 256, 344), "gradient").provenance)
    assert text.startswith("Made for Motion: ")
    own = explain(small, motion.sample(0).frames, "gradient").provenance
    assert list(clip_caveats(own)) == []


def test_random_weights_are_near_chance_and_trained_ones_are_not() -> None:
    small = zoo.load("r3d-motion")
    card = replace(small.card, labels=("bow", "jump", "wave"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained = Classifier(card, zoo.build(card).eval(), "0" * 64)
    frames = motion.sample(0).frames
    assert explain(untrained, frames, "gradient").diagnostics["prediction_entropy"] > 0.95
    assert explain(small, frames, "gradient").diagnostics["prediction_entropy"] < 0.5
    assert json.dumps(explain(small, frames, "gradient").diagnostics)
