"""Our methods against Captum's, on the real I3D."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, LayerGradCam, Saliency
from tests.frames import blocks
from torch.nn import functional as F

from videovisual import explain
from videovisual.zoo import Classifier

TARGET = 37


@pytest.fixture(scope="module")
def clip(i3d: Classifier) -> torch.Tensor:
    return i3d.prepare(blocks(16, 240, 256))


def relative(ours: object, theirs: torch.Tensor) -> float:
    difference = (torch.as_tensor(ours) - theirs).abs().max()
    return float(difference / theirs.abs().max())


def test_gradient(i3d: Classifier, clip: torch.Tensor) -> None:
    leaf = clip[None].clone().requires_grad_()
    theirs = Saliency(i3d.network).attribute(leaf, target=TARGET)[0].amax(dim=0)
    assert relative(explain(i3d, clip, "gradient", TARGET).map, theirs) < 1e-4


def test_gradient_x_input(i3d: Classifier, clip: torch.Tensor) -> None:
    leaf = clip[None].clone().requires_grad_()
    theirs = InputXGradient(i3d.network).attribute(leaf, target=TARGET)[0].sum(dim=0).detach()
    assert relative(explain(i3d, clip, "gradient_x_input", TARGET).map, theirs) < 1e-4


def test_integrated_gradients(i3d: Classifier, clip: torch.Tensor) -> None:
    black = torch.full_like(clip, -1.0)[None]
    theirs, delta = IntegratedGradients(i3d.network).attribute(
        clip[None],
        black,
        target=TARGET,
        n_steps=3,
        method="riemann_middle",
        internal_batch_size=1,
        return_convergence_delta=True,
    )
    ours = explain(i3d, clip, "integrated_gradients", TARGET, steps=3, baseline="black")
    assert relative(ours.map, theirs[0].sum(dim=0)) < 1e-4
    assert ours.diagnostics["convergence_delta"] == pytest.approx(float(delta[0]), abs=1e-3)


def test_grad_cam(i3d: Classifier, clip: torch.Tensor) -> None:
    layer = i3d.network.get_submodule("mixed_5c")
    leaf = clip[None].clone().requires_grad_()
    coarse = LayerGradCam(i3d.network, layer).attribute(leaf, target=TARGET, relu_attributions=True)
    size = clip.shape[1:]
    theirs = F.interpolate(coarse, size, mode="trilinear", align_corners=False)[0, 0].detach()
    assert relative(explain(i3d, clip, "grad_cam", TARGET).map, theirs) < 1e-4


def test_captum_leaves_no_hook_and_neither_do_we(
    i3d: Classifier, clip: torch.Tensor, hooks: Callable[[torch.nn.Module], int]
) -> None:
    explain(i3d, clip, "grad_cam", TARGET)
    assert hooks(i3d.network) == 0
