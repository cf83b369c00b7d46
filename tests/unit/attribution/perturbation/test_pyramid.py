"""Perturbed clips against TorchRay's perturbations of images."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.pyramid import LEVELS, Pyramid

KINDS = ["blur", "fade"]
SIGMA = 5.0


def pyramid(kind: str, clip: torch.Tensor) -> Pyramid:
    return Pyramid.blurred(clip, SIGMA) if kind == "blur" else Pyramid.faded(clip)


def between_levels(*shape: int) -> torch.Tensor:
    """Masks float64 in [0, 1] between the levels, where the interpolation has corners."""
    levels = torch.randint(LEVELS - 1, shape)
    return (levels + 0.1 + 0.8 * torch.rand(shape, dtype=torch.float64)) / (LEVELS - 1)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 5.0, 20.0])
def test_blur_equals_torchrays(torchray: ModuleType, sigma: float) -> None:
    frames = torch.randn(2, 3, 40, 56)
    theirs = torchray.imsmooth(frames, torch.tensor(sigma))
    torch.testing.assert_close(blur(frames, sigma), theirs, rtol=0, atol=1e-5)


def test_no_blur_is_the_clip_itself() -> None:
    frames = torch.randn(2, 5, 6)
    assert torch.equal(blur(frames, 0.0), frames)


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_is_perturbed_as_torchray_perturbs_an_image(
    torchray: ModuleType, kind: str
) -> None:
    clip = torch.randn(3, 4, 24, 32)
    masks = torch.rand(2, 4, 24, 32)
    masks[0, 0, :4], masks[0, 0, 4:8] = 0, 1
    masks.requires_grad_()
    ours = pyramid(kind, clip)(masks)
    gradient_out = torch.randn_like(ours)
    (gradient,) = torch.autograd.grad(ours, masks, gradient_out)
    for index in range(4):
        image = torchray.Perturbation(clip[None, :, index], LEVELS, SIGMA, kind)
        leaf = masks[:, None, index].detach().requires_grad_()
        theirs = image.apply(leaf)
        torch.testing.assert_close(ours[:, :, index], theirs, rtol=0, atol=1e-5)
        (slope,) = torch.autograd.grad(theirs, leaf, gradient_out[:, :, index])
        # At exactly 1 TorchRay has no slope at all, and a mask could never leave it.
        inside = leaf < 1
        torch.testing.assert_close(gradient[:, index][inside[:, 0]], slope[inside])


@pytest.mark.parametrize("kind", KINDS)
def test_levels_are_evenly_spaced_in_the_mask(kind: str) -> None:
    clip = torch.randn(3, 2, 12, 16)
    perturbed = pyramid(kind, clip)
    for level in range(LEVELS):
        share = level / (LEVELS - 1)
        expected = blur(clip, SIGMA * (1 - share)) if kind == "blur" else share * clip
        seen = perturbed(torch.full((1, 2, 12, 16), share))[0]
        torch.testing.assert_close(seen, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_exact(kind: str) -> None:
    clip = torch.randn(3, 2, 4, 5, dtype=torch.float64)
    masks = between_levels(2, 2, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(pyramid(kind, clip), masks)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("value", "inwards"), [(-1e-7, 1e-3), (0.0, 1e-3), (1.0, -1e-3), (1 + 1e-7, -1e-3)]
)
def test_at_0_and_1_the_gradient_is_the_inward_slope(
    kind: str, value: float, inwards: float
) -> None:
    """A search starts with all masks at 1, up to rounding, and must be able to leave it."""
    clip = torch.randn(3, 2, 12, 16, dtype=torch.float64)
    perturbed = pyramid(kind, clip)
    masks = torch.full((1, 2, 12, 16), value, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(perturbed(masks).sum(), masks)
    moved = (perturbed(masks + inwards) - perturbed(masks)).sum(dim=1) / inwards
    np.testing.assert_allclose(slope.numpy(), moved.detach().numpy(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("perturbation", KINDS)
def test_the_ends_are_the_hidden_and_the_whole_clip(case: Case, perturbation: str) -> None:
    hidden, whole = Pyramid.of(case, perturbation, None).ends()
    torch.testing.assert_close(whole, case.clip, rtol=0, atol=1e-5)
    assert hidden.square().sum() < 0.05 * case.clip.square().sum()


@pytest.mark.parametrize("sigma", [20.0, None])
def test_hidden_pixels_have_the_given_blur_or_the_models_own(
    case: Case, sigma: float | None
) -> None:
    assert case.card.blur_sigma != 20
    hidden, _ = Pyramid.of(case, "blur", sigma).ends()
    torch.testing.assert_close(hidden, blur(case.clip, sigma or case.card.blur_sigma))
