"""Motion: reproducible samples whose class depends only on the order of frames."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest

from videovisual import motion
from videovisual.errors import InvalidParameter
from videovisual.motion.choreography import (
    ACTORS,
    MOVER,
    SCALER,
    SPINNER,
    TURN,
    Integers,
    choreograph,
    target,
)

CHANCE = 1 / len(motion.LABELS)
HASH = "a3be7cf2f59efc108e15c0e3fed75650223eb712bf345f8b3bbc9c62ce04041a"
"""Of the first twenty clips of every split."""


@pytest.fixture(scope="module")
def clips() -> motion.Batch:
    return motion.batch(range(200), "validation")


def draw(label: int, seed: int) -> tuple[Integers, npt.NDArray[np.bool_]]:
    return choreograph(label, np.random.default_rng(seed), np.random.default_rng((seed, 1)))


def labelled(*names: str) -> list[int]:
    return [motion.LABELS.index(name) for name in names]


def test_samples_are_the_same_bit_for_bit() -> None:
    digest = hashlib.sha256()
    for split in motion.SPLITS:
        for index in range(20):
            frames, label, evidence = motion.sample(index, split)
            digest.update(frames.tobytes() + bytes([label]) + evidence.tobytes())
    assert digest.hexdigest() == HASH


def test_a_sample_does_not_depend_on_the_batch() -> None:
    together = motion.batch([7, 3])
    alone = motion.sample(3)
    assert (together.frames[1] == alone.frames).all()
    assert together.labels[1] == alone.label
    assert (together.evidence[1] == alone.evidence).all()


def test_no_clip_is_in_two_splits() -> None:
    drawn = [motion.sample(i, split).frames.tobytes() for split in motion.SPLITS for i in range(20)]
    assert len(set(drawn)) == 60


def test_shapes_and_types(clips: motion.Batch) -> None:
    frames, label, evidence = motion.sample(0)
    assert frames.shape == (16, 64, 64, 3)
    assert frames.dtype == np.uint8
    assert evidence.shape == (16, 64, 64)
    assert evidence.dtype == np.bool_
    assert isinstance(label, int)
    assert clips.frames.shape == (200, 16, 64, 64, 3)
    assert clips.labels.shape == (200,)
    assert clips.labels.dtype == np.int64


def test_classes_are_balanced(clips: motion.Batch) -> None:
    assert len(motion.LABELS) >= 10
    assert (np.bincount(clips.labels) == 200 / len(motion.LABELS)).all()


def test_needs_no_torch() -> None:
    code = "import sys, videovisual.motion; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_evidence_lies_in_one_part_of_the_clip(clips: motion.Batch) -> None:
    lengths = set()
    for evidence in clips.evidence:
        frames = np.flatnonzero(evidence.any(axis=(1, 2)))
        assert frames[-1] - frames[0] + 1 == len(frames)
        lengths.add(len(frames))
    assert lengths == {10, 12}


def test_evidence_is_exactly_the_active_frames() -> None:
    for index in range(30):
        entropy = np.random.SeedSequence((motion.SPLITS.index("test"), index))
        states, order, _ = map(np.random.default_rng, entropy.spawn(3))
        active = choreograph(index % 10, states, order).active
        assert (motion.sample(index).evidence.any(axis=(1, 2)) == active).all()


def test_evidence_is_a_whole_object_within_the_picture(clips: motion.Batch) -> None:
    border = np.ones((64, 64), np.bool_)
    border[1:-1, 1:-1] = False
    assert not clips.evidence[..., border].any()
    area = clips.evidence.sum(axis=(2, 3))
    assert area[area > 0].min() >= 12
    assert area.max() < 300


def test_evidence_has_more_contrast_than_the_background(clips: motion.Batch) -> None:
    for frames, evidence in zip(clips.frames[:40], clips.evidence, strict=False):
        assert frames[evidence].std() > 1.2 * frames[~evidence].std()


@pytest.mark.parametrize("seed", range(5))
def test_classes_differ_only_in_the_order_of_states(seed: int) -> None:
    expected = np.sort(draw(0, seed)[0])
    for label in motion.MOTION_ONLY:
        values, _ = draw(label, seed)
        assert (np.sort(values) == expected).all()


def ridge(features: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Held-out accuracy of a linear classifier on the last third of `features` [N, F]."""
    features = (features - features.mean(0)) / (features.std(0) + 1e-9)
    kernel = features @ features.T / features.shape[1]
    train = len(features) * 2 // 3
    wanted = np.eye(len(motion.LABELS))[labels] - CHANCE
    weights = np.linalg.solve(kernel[:train, :train] + np.eye(train), wanted[:train])
    return float(((kernel[train:, :train] @ weights).argmax(1) == labels[train:]).mean())


@pytest.fixture(scope="module")
def many() -> motion.Batch:
    batch = motion.batch(range(900), "train")
    quarter = batch.frames.reshape(900, 16, 16, 4, 16, 4, 3).mean(axis=(3, 5)).astype(np.uint8)
    return batch._replace(frames=quarter)


@pytest.mark.parametrize("at", [0, 8, 15])
def test_a_single_frame_carries_no_information(many: motion.Batch, at: int) -> None:
    assert ridge(many.frames[:, at].reshape(900, -1).astype(float), many.labels) <= 1.5 * CHANCE


def test_statistics_over_time_carry_no_information(many: motion.Batch) -> None:
    frames = many.frames.astype(float)
    for unordered in (frames.mean(axis=1), frames.std(axis=1), frames.min(axis=1)):
        assert ridge(unordered.reshape(900, -1), many.labels) <= 1.5 * CHANCE


def test_the_linear_classifier_learns_from_the_evidence(many: motion.Batch) -> None:
    place = many.evidence.mean(axis=1)[:, ::2, ::2]
    assert ridge(place.reshape(900, -1), many.labels) > 2 * CHANCE


def test_objects_that_are_not_the_target_have_no_order() -> None:
    for seed in range(100):
        values, _ = draw(seed % 10, seed)
        if target(seed % 10) != SCALER:
            assert longest_run(np.sign(np.diff(values[SCALER]))) < 5
        if target(seed % 10) != SPINNER:
            assert longest_run(turns(values[SPINNER])) < 5


def turns(angles: Integers) -> Integers:
    """1 where an angle turned clockwise, -1 where it turned counter-clockwise."""
    signs: Integers = np.sign((np.diff(angles) + TURN // 2) % TURN - TURN // 2)
    return signs


def longest_run(signs: Integers) -> int:
    longest = run = 0
    for sign, before in zip(signs, [0, *signs], strict=False):
        run = run + 1 if sign == before else 1
        longest = max(longest, run)
    return longest


def centres(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Centre (x, y) of the mask [T, H, W] in its non-empty frames: [frames, 2]."""
    shown = mask[mask.any(axis=(1, 2))]
    rows, columns = np.indices(shown.shape[1:])
    return np.stack([(shown * axis).sum((1, 2)) / shown.sum((1, 2)) for axis in (columns, rows)], 1)


@pytest.mark.parametrize(
    ("name", "axis", "sign"),
    [("moves left", 0, -1), ("moves right", 0, 1), ("moves up", 1, -1), ("moves down", 1, 1)],
)
def test_movers_move_in_one_direction_except_for_one_jump_back(
    clips: motion.Batch, name: str, axis: int, sign: int
) -> None:
    for evidence in clips.evidence[np.isin(clips.labels, labelled(name))]:
        steps = np.diff(centres(evidence), axis=0)[:, axis] * sign
        assert (steps < 0).sum() <= 1


@pytest.mark.parametrize(
    ("name", "sign"), [("circles clockwise", 1), ("circles counter-clockwise", -1)]
)
def test_circling_movers_keep_their_direction(clips: motion.Batch, name: str, sign: int) -> None:
    for evidence in clips.evidence[np.isin(clips.labels, labelled(name))]:
        steps = np.diff(centres(evidence), axis=0)
        turn = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]
        assert (turn * sign > 0).all()


@pytest.mark.parametrize(
    ("name", "sign"), [("spins clockwise", 1), ("spins counter-clockwise", -1)]
)
def test_spinners_keep_their_direction(clips: motion.Batch, name: str, sign: int) -> None:
    for index in np.isin(clips.labels, labelled(name)).nonzero()[0]:
        frames, evidence = clips.frames[index], clips.evidence[index]
        light = evidence & (frames.min(axis=-1) >= 125)
        dark = evidence & (frames.max(axis=-1) < 125)
        heading = np.arctan2(*(centres(light) - centres(dark)).T[::-1])
        turned = (np.diff(heading) + np.pi) % (2 * np.pi) - np.pi
        assert (turned * sign > 0).all()


@pytest.mark.parametrize(("name", "sign"), [("grows", 1), ("shrinks", -1)])
def test_scalers_grow_or_shrink_steadily(clips: motion.Batch, name: str, sign: int) -> None:
    for evidence in clips.evidence[np.isin(clips.labels, labelled(name))]:
        area = evidence.sum(axis=(1, 2))
        shown = area[area > 0]
        # Rounding to pixels can hide the growth of one step, so two steps are compared.
        assert ((shown[2:] - shown[:-2]) * sign > 0).all()


def test_the_class_decides_the_target() -> None:
    assert [target(label) for label in range(10)] == [MOVER] * 6 + [SPINNER] * 2 + [SCALER] * 2
    assert list(ACTORS) == [MOVER, SPINNER, SCALER]


def test_without_unrest_only_the_target_moves() -> None:
    values, active = draw(labelled("grows")[0], seed=3)
    calm = choreograph(8, np.random.default_rng(3), np.random.default_rng((3, 1)), unrest=0.0)
    assert (calm.active == active).all()
    assert (calm.values[SCALER] == values[SCALER]).all()
    assert (np.ptp(calm.values[[MOVER, SPINNER]], axis=1) == 0).all()


def test_shuffled_keeps_the_frames_and_is_seeded() -> None:
    frames = motion.sample(1).frames
    shuffled = motion.shuffled(frames, seed=5)
    assert (shuffled == motion.shuffled(frames, seed=5)).all()
    assert (shuffled != motion.shuffled(frames, seed=6)).any()
    assert sorted(f.tobytes() for f in shuffled) == sorted(f.tobytes() for f in frames)


def test_frozen_repeats_one_frame() -> None:
    frames = motion.sample(1).frames
    frozen = motion.frozen(frames, 4)
    assert frozen.shape == frames.shape
    assert (frozen == frames[4]).all()


def test_an_unknown_split_or_negative_index_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="train, validation, test"):
        motion.sample(0, "val")
    with pytest.raises(InvalidParameter, match="from 0"):
        motion.sample(-1)
