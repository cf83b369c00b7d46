"""Smooth masks against their formula in loops and against TorchRay's."""

from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch
from tests.reference.textbook import UnfoldedMasks

from videovisual.attribution.perturbation.mask import INVERSE_TEMPERATURE, SmoothMasks


def textbook(coarse: torch.Tensor, height: int, width: int, step: int, sigma: float) -> list[float]:
    """Fong et al. 2019: the softmax-weighted mean of the cells around each pixel, in loops."""
    radius = 1 + math.ceil(sigma / step)
    rows, columns = coarse.shape
    values = []
    for y in range(height):
        for x in range(width):
            terms = []
            for row in range(y // step - radius, y // step + radius + 1):
                for column in range(x // step - radius, x // step + radius + 1):
                    distance = math.hypot(y - step * row, x - step * column) / sigma
                    kernel = math.exp(-2 * max(0.0, distance - 0.5) ** 2)
                    inside = 0 <= row < rows and 0 <= column < columns
                    terms.append(kernel * coarse[row, column].item() if inside else 0.0)
            powers = [math.exp(INVERSE_TEMPERATURE * term) for term in terms]
            products = [term * power for term, power in zip(terms, powers, strict=True)]
            values.append(sum(products) / sum(powers))
    return values


@pytest.mark.parametrize(("step", "sigma"), [(3, 4.0), (2, 3.14), (4, 2.5), (1, 1.5)])
def test_masks_follow_the_papers_formula(step: int, sigma: float) -> None:
    masks = SmoothMasks(10, 13, step, sigma, dtype=torch.float64)
    coarse = torch.rand(2, *masks.cells, dtype=torch.float64)
    for ours, one in zip(masks(coarse), coarse, strict=True):
        theirs = torch.tensor(textbook(one, 10, 13, step, sigma), dtype=torch.float64)
        torch.testing.assert_close(ours.flatten(), theirs, rtol=0, atol=1e-12)


def test_the_reference_of_the_benchmarks_makes_the_same_masks() -> None:
    ours, theirs = SmoothMasks(64, 48, 4, 6.3), UnfoldedMasks(64, 48, 4, 6.3)
    coarse = torch.rand(3, *ours.cells)
    torch.testing.assert_close(ours(coarse), theirs(coarse), rtol=0, atol=1e-5)


def test_the_gradient_is_exact() -> None:
    masks = SmoothMasks(7, 10, 3, 3.5, dtype=torch.float64)
    coarse = torch.rand(2, 2, *masks.cells, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(masks, coarse)


@pytest.mark.parametrize("count", [70, 500])  # 230 masks of this size are computed at once
def test_masks_computed_in_parts_are_the_same(count: int) -> None:
    masks = SmoothMasks(48, 48, 3, 5.0)
    coarse = torch.rand(count, *masks.cells, requires_grad=True)
    gradient_out = torch.rand(count, 48, 48)
    together = masks(coarse)
    (gradient,) = torch.autograd.grad(together, coarse, gradient_out)
    for index in (0, 2, count - 1):
        leaf = coarse[index : index + 1].detach().requires_grad_()
        alone = masks(leaf)
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-6)
        (own,) = torch.autograd.grad(alone, leaf, gradient_out[index : index + 1])
        largest = own.abs().max().item()
        torch.testing.assert_close(gradient[index : index + 1], own, rtol=0, atol=2e-5 * largest)


def test_a_halved_mask_is_close_to_the_full_one() -> None:
    whole = SmoothMasks(224, 200, 14, 23.0)
    halved = SmoothMasks(224, 200, 14, 23.0, halved=True)
    assert halved.cells == whole.cells
    coarse = (torch.rand(3, *whole.cells) * (torch.rand(3, *whole.cells) > 0.8)).requires_grad_()
    full, quarter = whole(coarse), halved(coarse)
    assert quarter.shape == full.shape
    torch.testing.assert_close(quarter[:, ::2, ::2], full[:, ::2, ::2], rtol=0, atol=1e-6)
    # Pixels in between differ where the blobs of two cells meet in an edge.
    assert (quarter - full).abs().max() < 0.08
    assert (quarter - full).abs().mean() < 0.001
    assert quarter.min() >= 0
    assert quarter.max() <= 1
    gradient_out = torch.rand(224, 200)
    gradients = [
        torch.autograd.grad((masks * gradient_out).sum(), coarse)[0] for masks in (full, quarter)
    ]
    torch.testing.assert_close(*gradients, rtol=0.1, atol=0.02 * gradients[0].max().item())


def test_all_cells_shown_show_the_frame_up_to_its_lower_right_edge() -> None:
    masks = SmoothMasks(112, 112, 7, 11.0)
    values = masks(torch.stack([torch.ones(masks.cells), torch.zeros(masks.cells)]))
    assert values[0, :-7, :-7].min() > 0.95
    assert values[0].min() > 0.85
    assert values[0].max() <= 1 + 1e-6
    assert not values[1].any()


@pytest.mark.parametrize(
    ("height", "width", "step", "sigma"),
    [(112, 112, 7, 21), (56, 84, 7, 14), (64, 64, 4, 8), (100, 60, 5, 10)],
)
def test_masks_equal_torchrays(
    torchray: ModuleType, height: int, width: int, step: int, sigma: int
) -> None:
    generator = torchray.MaskGenerator((height, width), step, sigma)
    masks = SmoothMasks(height, width, step, sigma)
    assert masks.cells == tuple(generator.shape_in)
    coarse = (torch.rand(3, 1, *masks.cells) ** 4).requires_grad_()
    theirs, _ = generator.generate(coarse)
    ours = masks(coarse)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    gradient_out = torch.rand_like(theirs)
    gradients = [torch.autograd.grad(each, coarse, gradient_out)[0] for each in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("side", "sigma"), [(112, 11), (224, 23)])
def test_at_the_published_sizes_only_the_farthest_cells_differ_from_torchrays(
    torchray: ModuleType, side: int, sigma: int
) -> None:
    """Where sigma is no multiple of the step, TorchRay's neighbourhood is one cell off centre."""
    generator = torchray.MaskGenerator((side, side), 7, sigma)
    masks = SmoothMasks(side, side, 7, sigma)
    coarse = torch.rand(2, 1, *masks.cells)
    theirs, _ = generator.generate(coarse)
    difference = (masks(coarse) - theirs).abs()
    assert difference.max() < 3e-3
    assert difference.mean() < 1e-4


@pytest.mark.parametrize(("side", "step", "sigma"), [(64, 4, 6), (63, 7, 9)])
def test_masks_have_the_frames_size_where_torchrays_crop_loses_a_line(
    torchray: ModuleType, side: int, step: int, sigma: int
) -> None:
    generator = torchray.MaskGenerator((side, side), step, sigma)
    masks = SmoothMasks(side, side, step, sigma)
    coarse = torch.rand(1, 1, *masks.cells)
    theirs, _ = generator.generate(coarse)
    ours = masks(coarse)
    assert theirs.shape[2:] == (side - 1, side - 1)
    assert ours.shape[2:] == (side, side)
    torch.testing.assert_close(ours[..., :-1, :-1], theirs, rtol=0, atol=5e-3)


def test_a_fraction_of_a_pixel_in_sigma_does_not_shift_the_mask(torchray: ModuleType) -> None:
    """TorchRay's margin is sigma itself, of which its crop takes the whole pixels alone."""
    masks = SmoothMasks(64, 64, 4, 6.4)
    coarse = torch.zeros(1, 1, *masks.cells)
    coarse[..., 8, 8] = 1
    ours = masks(coarse)[0, 0]
    theirs, _ = torchray.MaskGenerator((64, 64), 4, 6.4).generate(coarse)
    across = torch.arange(1, 12)
    assert torch.allclose(ours[32 - across, 32], ours[32 + across, 32], atol=1e-6)
    assert (theirs[0, 0, 32 - across, 32] - theirs[0, 0, 32 + across, 32]).abs().max() > 0.05
