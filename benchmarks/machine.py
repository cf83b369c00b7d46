"""The machine that a measurement was taken on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

CPU_INFO = Path("/proc/cpuinfo")


def machine() -> dict[str, str | int]:
    """Processor, cores, accelerator and versions."""
    facts: dict[str, str | int] = {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _count() -> int:
    return os.cpu_count() or 1


def _processor() -> str:
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
