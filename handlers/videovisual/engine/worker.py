"""The threads of a device, and how each shares the processor."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Worker:
    """A thread that runs steps.

    Attributes:
        classifications, explanations: the jobs that it takes.
        threads: torch's threads in it; None leaves torch's own choice.
        lone_threads: torch's threads while there is no more than one job, unless
            `Device.calibrate` found the network too small to gain by them.
        nice: added to the thread's niceness, 0 to 19.
        idle: whether it runs only while nothing else wants the processor.
            Only Linux applies `nice` and `idle` to single threads.
    """

    classifications: bool = True
    explanations: bool = True
    threads: int | None = None
    lone_threads: int | None = None
    nice: int = 0
    idle: bool = False

    def configure_thread(self) -> None:
        """Apply the worker's threads, niceness and scheduling class to the calling thread."""
        if self.threads is not None:
            # The first call of a thread sets torch's default, over a count that was set before.
            torch.get_num_threads()
            torch.set_num_threads(self.threads)
        thread = threading.get_native_id()
        if self.nice and hasattr(os, "setpriority"):
            own = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, own + self.nice)
        if self.idle and hasattr(os, "SCHED_IDLE"):
            # A container may forbid it.
            with suppress(PermissionError):
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
