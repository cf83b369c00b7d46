"""How large frames become on their way to a network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from videovisual import zoo
from videovisual.errors import TooLarge
from videovisual.zoo import transform

SHORT_SIDE = dataclasses.replace(zoo.card("i3d-kinetics400").input, resize=256, size=224)


@pytest.mark.parametrize("size", [(1, 9_000_000), (9_000_000, 1), (4, 2_000_000)])
def test_a_narrow_frame_is_refused_before_it_is_resized_to_billions_of_pixels(
    size: tuple[int, int],
) -> None:
    with pytest.raises(TooLarge, match="at most 4194304 pixels"):
        transform.geometry(SHORT_SIDE, *size)
    frame = np.broadcast_to(np.zeros(3, np.uint8), (1, *size, 3))
    with pytest.raises(TooLarge):
        transform.prepare(SHORT_SIDE, frame)


def test_frames_resized_in_several_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (5, 40, 60, 3), np.uint8)
    whole = transform.prepare(SHORT_SIDE, frames)
    monkeypatch.setattr(transform, "CHUNK_BYTES", 1)
    assert torch.equal(transform.prepare(SHORT_SIDE, frames), whole)


@pytest.mark.parametrize("antialias", [False, True])
def test_any_number_of_threads_gives_the_same_pixels(antialias):
    spec = dataclasses.replace(zoo.card("r3d-kinetics400").input, antialias=antialias)
    frames = np.random.default_rng(0).integers(0, 256, (16, 240, 321, 3), np.uint8)
    own = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(transform.prepare(spec, frames))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(own)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
