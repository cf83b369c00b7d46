"""I3D against the network's original implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.frames import blocks

from videovisual import zoo
from videovisual.errors import WeightsError
from videovisual.zoo import Classifier, i3d
from videovisual.zoo.i3d import same_padding

SEEDED = Path(__file__).parents[2] / "data" / "i3d_seeded_logits.npz"


def test_real_logits_on_real_clips(i3d: Classifier, shared: Path) -> None:
    references = np.load(shared / "reference" / "i3d_kinetics400_logits.npz")
    assert len(references.files) == 3
    for name in references.files:
        images = sorted((shared / "clips" / name).glob("*.png"))
        frames = np.stack([np.asarray(Image.open(image).convert("RGB")) for image in images])
        logits = i3d.logits(i3d.prepare(frames)[None])[0].numpy()
        assert np.abs(logits - references[name]).max() < 1e-3
        assert i3d.card.labels[int(logits.argmax())] == name.split("-")[0]


def test_real_logits_on_a_seeded_clip(i3d: Classifier) -> None:
    logits = i3d.logits(i3d.prepare(blocks(16, 256, 280))[None])[0].numpy()
    np.testing.assert_allclose(logits, np.load(SEEDED)["logits"], atol=1e-3)


@pytest.mark.parametrize("layout", ["hassony2", "piergiaj"])
def test_published_layouts(layout: str, reference: Any) -> None:
    classifier = zoo.load("i3d-kinetics400", reference.state(f"i3d_{layout}"))
    clip = reference.clip("i3d", (1, 3, 16, 224, 224)).clamp(-1, 1)
    expected = reference.logits(f"i3d_{layout}")
    error = np.abs(classifier.logits(clip).numpy() - expected).max()
    assert error < 1e-4 * expected.std()


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"no known layout.*backbone\.weight"):
        i3d.adapt(zoo.card("i3d-kinetics400"), {"backbone.weight": torch.zeros(1)})


def test_a_missing_entry_is_named() -> None:
    with pytest.raises(WeightsError, match=r"lacks the entry 'Conv3d_1a_7x7\.bn\.weight'"):
        i3d.adapt(zoo.card("i3d-kinetics400"), {"Conv3d_1a_7x7.conv3d.weight": torch.zeros(1)})


def test_same_padding_is_tensorflows() -> None:
    assert same_padding((16, 224, 7), (7, 7, 3), (2, 2, 2)) == [(2, 3), (2, 3), (1, 1)]
