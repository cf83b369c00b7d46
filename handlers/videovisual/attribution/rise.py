"""RISE (Petsiuk, Das & Saenko 2018, arXiv 1806.07421), with masks in space and time."""

from collections.abc import Iterator
from functools import partial
from math import ceil

import torch
from torch.nn import functional as F

from videovisual.attribution.baseline import baseline
from videovisual.attribution.masking_parameters import RiseParameters
from videovisual.attribution.method import Case, chunks, to_map
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency


def rise(case: Case, parameters: RiseParameters) -> Attribution:
    """The mean of random smooth masks, weighted by the target's probability with each.

    A pixel's value is the expected probability given that the pixel is shown. Unsigned.
    """
    drawn = masks(case, parameters)
    hidden = baseline(case, parameters.baseline)
    total = case.clip.new_zeros(case.clip.shape[1:])
    done = 0
    for size in chunks(parameters.masks, case.batch):
        group = torch.stack([next(drawn) for _ in range(size)]).to(case.clip.device)
        reading = yield Probe(
            hidden + group[:, None] * (case.clip - hidden),
            progress=Progress(
                done,
                parameters.masks,
                partial=partial(_saliency, parameters, total, done) if done else None,
            ),
        )
        probabilities = reading.probabilities()[:, case.target]
        total = total + torch.einsum("n,n...->...", probabilities, group)
        done += size
    return _saliency(parameters, total, done)


def masks(case: Case, parameters: RiseParameters) -> Iterator[torch.Tensor]:
    """Endless random masks float32 [T, H, W] in [0, 1], on the CPU, determined by the case's seed.

    A coarse grid of zeros and ones, one cell larger than the clip along each axis, is brought to
    full size by trilinear interpolation and cropped at a random position.
    """
    generator = torch.Generator().manual_seed(case.seed)
    sizes = case.clip.shape[1:]
    counts = (min(parameters.frame_cells, sizes[0]), parameters.cells, parameters.cells)
    cells = [ceil(size / count) for size, count in zip(sizes, counts, strict=True)]
    full = [cell * (count + 1) for cell, count in zip(cells, counts, strict=True)]
    while True:
        shown = torch.rand([count + 1 for count in counts], generator=generator) < parameters.keep
        grid = shown.float()[None, None]
        smooth = F.interpolate(grid, full, mode="trilinear", align_corners=False)[0, 0]
        for axis, (cell, size) in enumerate(zip(cells, sizes, strict=True)):
            shift = int(torch.randint(cell, (), generator=generator))
            smooth = smooth.narrow(axis, shift, size)
        yield smooth


def _saliency(parameters: RiseParameters, total: torch.Tensor, done: int) -> Saliency:
    return Saliency(
        to_map(total / (done * parameters.keep)),
        signed=False,
        diagnostics={"masks": done, "partial": done < parameters.masks},
    )
