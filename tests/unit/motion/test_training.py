"""Training: schedule, checkpoints and measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from videovisual import motion, zoo
from videovisual.errors import InvalidParameter
from videovisual.motion import training
from videovisual.motion.plain_attention import PlainAttention
from videovisual.motion.recipes import Recipe
from videovisual.motion.training import Progress, train

SHORT = Recipe(steps=4, batch=4)


class Interruption(Exception):
    pass


def interrupt_after(step: int) -> Callable[[Progress], None]:
    def show(progress: Progress) -> None:
        if progress.step == step:
            raise Interruption

    return show


def test_the_learning_rate_warms_up_and_decays_to_zero() -> None:
    recipe = Recipe(steps=100, learning_rate=1.0)
    rates = [recipe.rate(step) for step in range(100)]
    assert max(rates) == rates[10] == pytest.approx(1.0, abs=0.01)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def test_the_curriculum_rises_between_calm_and_restless() -> None:
    recipe = Recipe(steps=100, calm=0.2, restless=0.6)
    unrest = [recipe.unrest(step) for step in (0, 20, 40, 60, 99)]
    assert unrest == pytest.approx([0, 0, 0.5, 1, 1])


def test_a_resumed_training_gives_the_same_weights(tmp_path: Path) -> None:
    whole = train("tsm-motion", out=tmp_path / "whole", recipe=SHORT, held_out=range(4))
    with pytest.raises(Interruption):
        train(
            "tsm-motion",
            out=tmp_path / "cut",
            recipe=SHORT,
            checkpoint_every=2,
            progress=interrupt_after(3),
        )
    seen: list[Progress] = []
    resumed = train(
        "tsm-motion", out=tmp_path / "cut", recipe=SHORT, held_out=range(4), progress=seen.append
    )
    assert [progress.step for progress in seen] == [3, 4]
    assert resumed.sha256 == whole.sha256
    assert resumed.accuracy == whole.accuracy


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    first, second = (
        train("tsm-motion", out=tmp_path, seed=seed, recipe=SHORT, resume=False, held_out=[0])
        for seed in (1, 2)
    )
    assert first.sha256 != second.sha256


def test_the_file_holds_the_cards_network(tmp_path: Path) -> None:
    report = train("i3d-motion", out=tmp_path, recipe=Recipe(steps=1, batch=2), held_out=[0])
    assert report.weights == tmp_path / "i3d-motion.safetensors"
    assert report.size == report.weights.stat().st_size
    card = zoo.card("i3d-motion")
    zoo.build(card).load_state_dict(load_file(report.weights))


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    train("tsm-motion", out=tmp_path, recipe=SHORT, held_out=[0])
    with pytest.raises(InvalidParameter, match="another training"):
        train("tsm-motion", out=tmp_path, recipe=SHORT, seed=1, held_out=[0])


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="r3d-motion"):
        train("r3d-kinetics400", out=tmp_path)


def test_prepare_is_the_cards_own_transform() -> None:
    card = zoo.card("tsm-motion")
    clips = motion.batch([3, 4]).frames
    classifier = zoo.Classifier(card, nn.Flatten(), "")
    for clip, prepared in zip(clips, training.prepare(card.input, clips), strict=True):
        assert torch.equal(prepared, classifier.prepare(clip[1::2]))


class KnownClips(nn.Module):
    """Classifies the clips with given indices correctly, and others as the last class."""

    def __init__(self, spec: zoo.InputSpec, indices: range) -> None:
        super().__init__()
        clips, self.labels, _ = motion.batch(indices)
        self.known = training.prepare(spec, clips)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(clips), len(motion.LABELS))
        logits[:, -1] = 1
        for row, clip in zip(logits, clips, strict=True):
            for known, label in zip(self.known, self.labels, strict=True):
                if torch.equal(clip, known):
                    row[int(label)] = 2
        return logits


def test_accuracy_counts_the_clips_that_are_given() -> None:
    spec = zoo.card("r3d-motion").input
    network = KnownClips(spec, range(10))
    assert training.accuracy(network, spec, range(10)) == 1
    assert training.accuracy(network, spec, range(20)) == pytest.approx(11 / 20)
    for change in (motion.shuffled, training.middle):
        assert training.accuracy(network, spec, range(10), change=change) == pytest.approx(1 / 10)


def test_middle_is_one_frame() -> None:
    frames = motion.sample(0).frames
    assert (training.middle(frames, 0) == frames[8]).all()
    assert np.ptp(training.middle(frames, 0), axis=0).max() == 0


def test_clips_played_backwards_show_the_opposite_motion() -> None:
    drawn = motion.batch(range(20))
    both = training.both_ways(drawn)
    np.testing.assert_array_equal(both.frames[20:], drawn.frames[:, ::-1])
    np.testing.assert_array_equal(both.evidence[20:], drawn.evidence[:, ::-1])
    names = [motion.LABELS[label] for label in both.labels]
    assert {(names[index], names[20 + index]) for index in range(10)} >= {
        ("moves left", "moves right"),
        ("circles clockwise", "circles counter-clockwise"),
        ("spins counter-clockwise", "spins clockwise"),
        ("grows", "shrinks"),
    }


def test_a_published_model_classifies_clips_played_backwards() -> None:
    model = zoo.load("r3d-motion")
    both = training.both_ways(motion.batch(range(20)))
    answers = model.logits(training.prepare(model.card.input, both.frames)).argmax(dim=1)
    assert (answers.numpy() == both.labels).mean() >= 0.95


def test_the_local_loss_changes_the_weights(tmp_path: Path) -> None:
    recipes = [Recipe(steps=6, batch=4, local=local) for local in (0.0, 1.0)]
    plain, local = (
        train("mc3-motion", out=tmp_path / str(number), recipe=recipe, held_out=range(2))
        for number, recipe in enumerate(recipes)
    )
    assert plain.sha256 != local.sha256


def test_plain_attention_is_torchs() -> None:
    model = zoo.load("videomae-motion")
    clips = training.prepare(model.card.input, motion.batch([0, 1]).frames)
    fused = model.logits(clips)
    with PlainAttention():
        plain = model.logits(clips)
    torch.testing.assert_close(plain, fused, rtol=1e-4, atol=1e-4)
    assert not torch.equal(plain, fused)


def test_bfloat16_changes_the_weights_a_little(tmp_path: Path) -> None:
    """The loss of the first update differs by the rounding of its products."""
    losses: list[float] = []
    for bfloat16 in (False, True):
        recipe = Recipe(steps=1, batch=4, local=1.0, max_norm=1.0, bfloat16=bfloat16)
        out = tmp_path / str(bfloat16)
        train(
            "videomae-motion",
            out=out,
            recipe=recipe,
            held_out=[0],
            progress=lambda progress: losses.append(progress.loss),
        )
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_the_gradients_norm_is_limited(tmp_path: Path) -> None:
    sha256s = {
        train("tsm-motion", out=tmp_path / str(norm), recipe=recipe, held_out=[0]).sha256
        for norm, recipe in ((n, Recipe(steps=4, batch=4, max_norm=n)) for n in (None, 1e-6, 1e6))
    }
    assert len(sha256s) == 2
