"""What is left of a changed clip."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from videovisual import motion, zoo
from videovisual.audit.changes import border, changed, moving, parts


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.rand(3, 16, 24, 32)


def copies(clip: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    return dict(changed(clip, mask, min(5, clip.shape[1] - 1), seed=0))


def test_every_change_keeps_the_shape(noise: torch.Tensor) -> None:
    assert {each.shape for each in copies(noise, noise[0, 0] > 0.5).values()} == {noise.shape}


def test_order(noise: torch.Tensor) -> None:
    made = copies(noise)
    assert_close(made["reversed"].flip(1), noise)
    assert not made["shuffled"].equal(noise)
    assert_close(made["shuffled"].sort(dim=1).values, noise.sort(dim=1).values)
    assert_close(made["middle_frame"], noise[:, 8:9].expand_as(noise))
    assert_close(made["strongest_frame"], noise[:, 5:6].expand_as(noise))


def test_regions(noise: torch.Tensor) -> None:
    made, edge = copies(noise, mask := noise[0, 0] > 0.5), border(24, 32)
    colour = noise.mean(dim=(1, 2, 3))
    for name, hidden in (
        ("middle_hidden", ~edge),
        ("border_hidden", edge),
        ("moving_hidden", mask),
    ):
        assert_close(made[name][..., ~hidden], noise[..., ~hidden])
        assert_close(made[name][..., hidden], colour[:, None, None].expand_as(noise[..., hidden]))
    assert_close(made["colour_only"][:, :, 3, 4], noise.mean(dim=(2, 3)))


def test_the_border_is_an_eighth_on_each_side() -> None:
    edge = border(64, 32)
    assert edge[7].all()
    assert edge[8:56, 4:28].sum() == 0
    assert edge.sum() == 64 * 32 - 48 * 24


def test_a_missing_part_is_the_nearest_other_frames() -> None:
    clip = torch.arange(16.0).view(1, 16, 1, 1).expand(3, 16, 8, 8)
    made = copies(clip)
    order = {name: each[0, :, 0, 0].tolist() for name, each in made.items()}
    assert order["without_0"] == [2, 2, *range(2, 16)]
    assert order["without_3"] == [0, 1, 2, 3, 4, 5, 5, 8, *range(8, 16)]
    assert order["without_7"] == [*range(14), 13, 13]


@pytest.mark.parametrize("frames", [1, 2, 5, 8, 16, 61])
def test_parts_cover_all_frames_once(frames: int) -> None:
    covered = [frame for start, end in parts(frames) for frame in range(start, end)]
    assert covered == list(range(frames))
    assert {f"without_{n}" for n in range(len(parts(frames)))} <= set(
        copies(torch.rand(3, frames, 8, 8))
    )


def test_what_moves_covers_the_moving_object_of_motion() -> None:
    classifier = zoo.load("r3d-motion")
    for number in range(10):
        sample = motion.sample(number)
        mask = moving(classifier.prepare(sample.frames))
        assert mask is not None
        object_ = torch.from_numpy(sample.evidence.any(axis=0))
        assert (mask & object_).sum() / object_.sum() > 0.6
        assert mask.float().mean() < 0.45


def test_nothing_and_everything_moving_are_told() -> None:
    assert moving(torch.rand(3, 1, 16, 16).expand(3, 8, 16, 16)) is None
    assert moving(torch.rand(3, 8, 32, 32)) is None
