"""Which searches are compiled, and by what: the extra `fast`, where it is installed."""

from __future__ import annotations

import importlib
from functools import lru_cache
from importlib import metadata
from typing import Any

import torch

PACKAGE = "numba"

SMALL = 2**17
"""Pixels of a clip up to which one compiled thread is sooner done than all of torch's."""


@lru_cache(maxsize=1)
def name() -> str | None:
    """The compiler and its version, of which the last bits depend; None where there is none."""
    try:
        return f"{PACKAGE} {metadata.version(PACKAGE)}"
    except metadata.PackageNotFoundError:
        return None


def suits(clip: torch.Tensor) -> bool:
    """Whether there is a compiler, and a clip [3, T, H, W] is on a processor and small."""
    return clip.device.type == "cpu" and clip[0].numel() <= SMALL and name() is not None


def load() -> Any:
    """The module `compiled`, which can be imported only where there is a compiler."""
    return importlib.import_module("videovisual.attribution.perturbation.compiled")
