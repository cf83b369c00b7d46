"""Runs jobs on all devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from videovisual.engine.budget import STEP_S
from videovisual.engine.device import Device, Lane, Pass
from videovisual.engine.job import Job
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.probe import Result, Work
from videovisual.engine.progress import Progress
from videovisual.errors import Cancelled


def run(
    oracle: ModelRunner, work: Work[Result], on_progress: Callable[[Progress], None] | None = None
) -> Result:
    """Run one piece of work to its end in the calling thread."""
    try:
        probe = next(work)
        while True:
            if on_progress is not None and probe.progress is not None:
                on_progress(probe.progress)
            probe = work.send(oracle.evaluate(probe))
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        work.close()


class Engine:
    """Runs jobs concurrently, each on one of several devices.

    Args:
        oracles: the network, or a copy of it on each device.
        lanes: the threads of each device.
        step_s: seconds that a step of several clips aims at.
        on_pass: called, in a device's thread, after each pass of the network.
    """

    def __init__(
        self,
        oracles: ModelRunner | Sequence[ModelRunner],
        lanes: Sequence[Lane] = (Lane(),),
        step_s: float = STEP_S,
        on_pass: Callable[[Pass], None] | None = None,
    ) -> None:
        several = [oracles] if isinstance(oracles, ModelRunner) else oracles
        self.devices = [Device(oracle, lanes, step_s, on_pass) for oracle in several]

    @property
    def oracle(self) -> ModelRunner:
        """The first device's."""
        return self.devices[0].oracle

    @property
    def batch(self) -> int:
        """The most clips in one pass."""
        return self.oracle.batch

    def recorder(self, device: int) -> Recorder | None:
        """The device's recorder of CUDA graphs; None where it has none."""
        return self.devices[device].oracle.recorder

    @property
    def active(self) -> int:
        """How many jobs there are."""
        return sum(device.active for device in self.devices)

    def place(self) -> int:
        """The number of the device with the fewest jobs."""
        return min(range(len(self.devices)), key=lambda number: self.devices[number].active)

    def submit(
        self,
        work: Work[Result],
        *,
        device: int | None = None,
        urgent: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Job[Result]:
        """Queue a piece of work.

        Args:
            work: its tensors lie on the device that runs it, or on the CPU.
            device: which one; the one with the fewest jobs by default.
            urgent, priority, deadline, on_progress: those of `Job`.

        Raises:
            Cancelled: the engine is closed.
        """
        job = Job(
            work, urgent=urgent, priority=priority, deadline=deadline, on_progress=on_progress
        )
        number = self.place() if device is None else device
        if not self.devices[number].submit(job):
            raise Cancelled("The engine is closed; no job can be started.")
        return job

    def close(self) -> None:
        """Cancel all jobs and end the threads."""
        for device in self.devices:
            device.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
