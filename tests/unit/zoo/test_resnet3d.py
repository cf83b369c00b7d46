import dataclasses

import numpy as np
import pytest
import torch
from tests.unit.zoo.layouts import with_statistics
from torch import nn

from videovisual import zoo
from videovisual.zoo import layout, resnet3d, transform

FAMILIES = [card.family for card in resnet3d.CARDS]


def card_of(family, **changes):
    (card,) = (card for card in resnet3d.CARDS if card.family == family)
    return dataclasses.replace(card, **changes)


def small(family):
    torch.manual_seed(0)
    return resnet3d.build(card_of(family, options={"width": 8}, labels=("a", "b", "c"))).eval()


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def theirs(torchvision, family):
    """torchvision's network with random weights and random batch-norm statistics."""
    torch.manual_seed(0)
    builder = {"r3d": "r3d_18", "mc3": "mc3_18", "r2plus1d": "r2plus1d_18"}[family]
    return with_statistics(getattr(torchvision.models.video, builder)())


@torch.inference_mode()
def test_torchvision_gives_the_same_logits_from_the_same_frames(torchvision, theirs, family):
    card = card_of(family)
    ours = resnet3d.build(card).eval()
    layout.fit(ours, zoo.adapt(card, theirs.state_dict()))
    weights = {
        "r3d": torchvision.models.video.R3D_18_Weights,
        "mc3": torchvision.models.video.MC3_18_Weights,
        "r2plus1d": torchvision.models.video.R2Plus1D_18_Weights,
    }[family].KINETICS400_V1
    frames = np.random.default_rng(0).integers(0, 256, (8, 90, 120, 3), dtype=np.uint8)
    wanted = theirs(weights.transforms()(torch.from_numpy(frames).permute(0, 3, 1, 2))[None])
    actual = ours(transform.prepare(card.input, frames)[None])
    assert (actual - wanted).abs().max() < 1e-4 * wanted.std()
    assert list(card.labels) == weights.meta["categories"]
    assert card.weights.source == weights.url


@torch.inference_mode()
@pytest.mark.parametrize("shape", [(1, 64, 64), (5, 48, 80), (16, 112, 112)])
def test_any_clip_size_is_classified(family, shape):
    assert small(family)(torch.randn(2, 3, *shape)).shape == (2, 3)


def test_mid_planes_keep_the_parameters_of_the_full_convolution():
    full = resnet3d.full(64, 128, 0, 1)
    factored = resnet3d.factored(64, 128, resnet3d.mid_planes(64, 128), 1)
    count = sum(part.weight.numel() for part in factored if isinstance(part, nn.Conv3d))
    assert count == pytest.approx(full.weight.numel(), rel=0.01)
    assert resnet3d.mid_planes(64, 64) == 144  # published


@pytest.mark.parametrize(
    ("family", "shape"), [("mc3", (1, 64, 8, 2, 2)), ("r3d", (1, 64, 1, 2, 2))]
)
def test_only_mc3_keeps_the_number_of_frames(family, shape):
    network, shapes = small(family), []
    network.layer4.register_forward_hook(lambda _m, _i, output: shapes.append(output.shape))
    network(torch.randn(1, 3, 8, 32, 32))
    assert shapes == [shape]


def test_a_data_parallel_checkpoint_fits(family):
    network = small(family)
    wrapped = {f"module.{key}": tensor for key, tensor in network.state_dict().items()}
    layout.fit(small(family), zoo.adapt(card_of(family), wrapped))
