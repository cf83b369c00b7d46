"""Runs jobs on all devices."""

from collections.abc import Callable, Sequence

from videovisual.engine.budget import STEP_S
from videovisual.engine.device import Device, Pass
from videovisual.engine.job import Job
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.probe import Result, Work
from videovisual.engine.progress import Progress
from videovisual.engine.worker import Worker
from videovisual.errors import Cancelled


def run(
    runner: ModelRunner, work: Work[Result], on_progress: Callable[[Progress], None] | None = None
) -> Result:
    """Run one piece of work to its end in the calling thread."""
    try:
        probe = next(work)
        while True:
            if on_progress is not None and probe.progress is not None:
                on_progress(probe.progress)
            probe = work.send(runner.evaluate(probe))
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        work.close()


class Engine:
    """Runs jobs concurrently, each on one of several devices.

    Args:
        runners: the network, or a copy of it on each device.
        workers: the threads of each device.
        step_s: seconds that a step of several clips aims at.
        on_pass: called in a worker's thread after each pass of the network.
    """

    def __init__(
        self,
        runners: ModelRunner | Sequence[ModelRunner],
        workers: Sequence[Worker] = (Worker(),),
        step_s: float = STEP_S,
        on_pass: Callable[[Pass], None] | None = None,
    ) -> None:
        several = [runners] if isinstance(runners, ModelRunner) else runners
        self.devices = [Device(runner, workers, step_s, on_pass) for runner in several]

    @property
    def runner(self) -> ModelRunner:
        """The first device's runner."""
        return self.devices[0].runner

    @property
    def batch(self) -> int:
        """The most clips of one pass."""
        return self.runner.batch

    @property
    def active(self) -> int:
        """The number of unfinished jobs."""
        return sum(device.active for device in self.devices)

    def recorder(self, device_number: int) -> Recorder | None:
        """The recorder of a device, or None if its passes are not recorded."""
        return self.devices[device_number].runner.recorder

    def place(self) -> int:
        """The number of the device with the fewest jobs."""
        return min(range(len(self.devices)), key=lambda number: self.devices[number].active)

    def submit(
        self,
        work: Work[Result],
        *,
        device: int | None = None,
        classification: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Job[Result]:
        """Queue a piece of work.

        Args:
            work: its tensors lie on the device that runs it, or on the CPU.
            device: the device's number; by default the device with the fewest jobs.
            classification, priority, deadline, on_progress: as in `Job`.

        Raises:
            Cancelled: the engine is closed.
        """
        job = Job(
            work,
            classification=classification,
            priority=priority,
            deadline=deadline,
            on_progress=on_progress,
        )
        number = self.place() if device is None else device
        if not self.devices[number].submit(job):
            raise Cancelled("The engine is closed, so no job can be started.")
        return job

    def close(self) -> None:
        """Cancel all jobs and end the threads."""
        for device in self.devices:
            device.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
