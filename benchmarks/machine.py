"""The machine that a measurement was taken on."""

from __future__ import annotations

import os
import platform

import torch

from videovisual.utils.processor import processor


def machine() -> dict[str, str | int]:
    """Processor, cores, accelerator and versions."""
    facts: dict[str, str | int] = {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _count() -> int:
    return os.cpu_count() or 1
