"""What the process of a server does for its services, whichever server it is."""

import gc
import sys
import threading
import time
from collections.abc import Callable, Sequence

import torch

from videovisual.engine.memory import free_memory, tune_allocator
from videovisual.server.metrics import Counts, Sample
from videovisual.server.service import Service

SWITCH_S = 0.0005
"""Python's thread switch interval. Its default is ten times as long, which delays a classification
whenever an explanation runs Python code."""

CHORES_S = 1.0
TIDY_S = 20.0


def tune_process() -> None:
    """Set up the process before models are loaded."""
    tune_allocator()
    sys.setswitchinterval(SWITCH_S)


def devices() -> list[str]:
    """All GPUs, or the processor."""
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]


class Housekeeper:
    """A thread that reports metrics and frees memory, from `start` until `stop`.

    Args:
        services: of the process, warmed up.
        counts: takes their metrics.
        report: gets each metric's value.
        chores: what else is done every second.
    """

    def __init__(
        self,
        services: Sequence[Service],
        counts: Counts,
        report: Callable[[Sample], None],
        *chores: Callable[[], None],
    ) -> None:
        self._services = services
        self._counts = counts
        self._report = report
        self._chores = chores
        self._stopped = threading.Event()
        self._reporting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="videovisual-chores", daemon=True)

    def start(self) -> None:
        """Begin; what the process holds by now is taken for what it will always hold."""
        gc.freeze()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def report(self) -> None:
        """Report the metrics as they are now."""
        with self._reporting:
            for service in self._services:
                service.measure()
            for sample in self._counts.drain():
                self._report(sample)

    def _run(self) -> None:
        tidied, seen = time.monotonic(), self._changes()
        while not self._stopped.wait(CHORES_S):
            if time.monotonic() - tidied > TIDY_S and self._changes() != seen:
                tidied, seen = time.monotonic(), self._changes()
                free_memory()
            for chore in self._chores:
                chore()
            self.report()

    def _changes(self) -> int:
        return sum(service.changes for service in self._services)
