"""Our methods against Captum's: on every small architecture, and on the real I3D."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum import attr
from tests.frames import blocks
from torch import nn
from torch.nn import functional as F

from videovisual import explain
from videovisual.saliency import Map
from videovisual.zoo import Classifier

TARGET = 3

ON_A_PATH = 1e-3
"""Tolerance where the last bit of a point may differ, and flip a ReLU."""

IN_NOISE = 1e-2
"""The same where a single one of four noisy copies may turn one."""

IN_LARGE = 2e-2
"""The same in a network of millions of ReLUs: torch's own gradient is as far as 2e-3 from that
in double precision, and in another order in memory 5e-3."""

NOISE_TUNNEL = {"mean": "smoothgrad", "squared": "smoothgrad_sq", "variance": "vargrad"}
CAPTUM_RULES = {
    "midpoint": "riemann_middle",
    "gauss_legendre": "gausslegendre",
    "left": "riemann_left",
}


def small_clip(model: Classifier) -> torch.Tensor:
    """As small as the networks take, and with three sides to be told apart: [3, 8, 32, 48]."""
    return model.prepare(blocks(8, 64, 64))[:, :, :32, :48].contiguous()


@pytest.fixture
def clip(motion_model: Classifier) -> torch.Tensor:
    return small_clip(motion_model)


def assert_same(ours: Map, theirs: torch.Tensor, tolerance: float = 1e-4) -> None:
    """Equal to a share of the norm, and not because both are empty."""
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape
    norm = np.linalg.norm(expected)
    assert norm > 0
    assert np.linalg.norm(ours - expected) < tolerance * norm


def captum_grad_cam(
    network: nn.Module, layer: str, clip: torch.Tensor, target: int
) -> torch.Tensor:
    method = attr.LayerGradCam(network, network.get_submodule(layer))
    leaf = clip[None].clone().requires_grad_()
    coarse = method.attribute(leaf, target=target, relu_attributions=True)
    return F.interpolate(coarse, clip.shape[1:], mode="trilinear", align_corners=False)[0, 0]


def test_gradient(motion_model: Classifier, clip: torch.Tensor) -> None:
    leaf = clip[None].clone().requires_grad_()
    theirs = attr.Saliency(motion_model.network).attribute(leaf, target=TARGET)
    assert_same(explain(motion_model, clip, "gradient", TARGET).map, theirs[0].amax(dim=0))


def test_gradient_x_input(motion_model: Classifier, clip: torch.Tensor) -> None:
    leaf = clip[None].clone().requires_grad_()
    theirs = attr.InputXGradient(motion_model.network).attribute(leaf, target=TARGET)
    assert_same(explain(motion_model, clip, "gradient_x_input", TARGET).map, theirs[0].sum(dim=0))


@pytest.mark.parametrize("variant", NOISE_TUNNEL)
def test_smooth_grad(motion_model: Classifier, clip: torch.Tensor, variant: str) -> None:
    samples, noise, seed = 4, 0.2, 7
    tunnel = attr.NoiseTunnel(attr.Saliency(motion_model.network))
    # One sample at a time from the global generator: the normal numbers that ours has of its own
    # generator under the same seed.
    torch.manual_seed(seed)
    theirs = tunnel.attribute(
        clip[None],
        nt_type=NOISE_TUNNEL[variant],
        nt_samples=samples,
        nt_samples_batch_size=1,
        stdevs=float(noise * (clip.max() - clip.min())),
        target=TARGET,
        abs=False,
    )[0]
    ours = explain(
        motion_model,
        clip,
        "smooth_grad",
        TARGET,
        seed=seed,
        samples=samples,
        noise=noise,
        variant=variant,
    )
    assert_same(ours.map, theirs.abs().amax(dim=0), IN_NOISE)


@pytest.mark.parametrize("rule", CAPTUM_RULES)
def test_integrated_gradients(motion_model: Classifier, clip: torch.Tensor, rule: str) -> None:
    grey = torch.zeros_like(clip)[None]
    theirs, delta = attr.IntegratedGradients(motion_model.network).attribute(
        clip[None],
        grey,
        target=TARGET,
        n_steps=5,
        method=CAPTUM_RULES[rule],
        internal_batch_size=1,
        return_convergence_delta=True,
    )
    ours = explain(
        motion_model,
        clip,
        "integrated_gradients",
        TARGET,
        steps=5,
        rule=rule,
        baseline="grey",
        complete=False,
    )
    assert_same(ours.map, theirs[0].sum(dim=0), ON_A_PATH)
    assert ours.diagnostics["convergence_delta"] == pytest.approx(float(delta[0]), abs=1e-3)


@pytest.mark.parametrize(
    ("box", "stride"),
    [((4, 24, 24), (2, 12, 12)), ((3, 20, 20), (3, 14, 14))],
    ids=["half overlapping", "cut at the end"],
)
def test_occlusion(
    motion_model: Classifier,
    clip: torch.Tensor,
    box: tuple[int, int, int],
    stride: tuple[int, int, int],
) -> None:
    """Captum too gives a pixel the mean of the falls of all boxes that hide it."""
    black = (0.0 - 0.5) / 0.25
    theirs = attr.Occlusion(motion_model.network).attribute(
        clip[None],
        sliding_window_shapes=(3, *box),
        strides=(3, *stride),
        baselines=black,
        target=TARGET,
    )[0]
    ours = explain(
        motion_model,
        clip,
        "occlusion",
        TARGET,
        box_frames=box[0],
        box=box[1],
        stride_frames=stride[0],
        stride=stride[1],
        baseline="black",
    )
    for channel in theirs:
        assert_same(ours.map, channel)


@pytest.mark.parametrize("stage", ["the card's", "early"])
def test_grad_cam(convnet: Classifier, stage: str) -> None:
    clip = small_clip(convnet)
    early = "mixed_3c" if convnet.card.family == "i3d" else "layer1"
    layer = convnet.card.cam_layer if stage == "the card's" else early
    for target in range(len(convnet.card.labels)):
        theirs = captum_grad_cam(convnet.network, layer, clip, target)
        if theirs.any():  # The ReLU may leave nothing of an untrained network's channels.
            break
    ours = explain(convnet, clip, "grad_cam", target, layer=layer, baseline="none")
    assert_same(ours.map, theirs)


@pytest.fixture(scope="module")
def real_clip(i3d: Classifier) -> torch.Tensor:
    return i3d.prepare(blocks(16, 240, 256))[:, :, :96, :128].contiguous()


def test_real_gradient(i3d: Classifier, real_clip: torch.Tensor) -> None:
    leaf = real_clip[None].clone().requires_grad_()
    theirs = attr.Saliency(i3d.network).attribute(leaf, target=TARGET)[0].amax(dim=0)
    assert_same(explain(i3d, real_clip, "gradient", TARGET).map, theirs, IN_LARGE)


def test_real_grad_cam(
    i3d: Classifier, real_clip: torch.Tensor, hooks: Callable[[nn.Module], int]
) -> None:
    theirs = captum_grad_cam(i3d.network, "mixed_5c", real_clip, TARGET)
    assert_same(explain(i3d, real_clip, "grad_cam", TARGET, baseline="none").map, theirs)
    assert hooks(i3d.network) == 0
