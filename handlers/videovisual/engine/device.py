"""One copy of the network with its queue and the threads that run its steps."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from videovisual.engine.batch import Kind, gather, split
from videovisual.engine.budget import STEP_S, Budget
from videovisual.engine.job import Job
from videovisual.engine.memory import resident_bytes
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Reading
from videovisual.engine.rwlock import TORCH
from videovisual.engine.scheduler import Scheduler, Step
from videovisual.engine.worker import Worker
from videovisual.errors import TooLarge

FREE_SHARE = 0.8
"""The share of a GPU's free memory that a step may take."""

SHORT_PASS_S = 0.1
"""A pass that takes less gains nothing by more threads: each layer ends before they wake up."""


SURELY_LONG_S = 0.3
"""The same for the first pass of all, which takes longer than any other."""


@dataclass(frozen=True)
class Pass:
    """Statistics of one pass of the network.

    Attributes:
        device: where it ran.
        kind: `scores`, `gradient`, `layer`, `attention` or `apply`.
        clips: the number of its clips.
        room: the number of clips that would have fitted.
        seconds: its duration.
    """

    device: str
    kind: str
    clips: int
    room: int
    seconds: float


class Device:
    """Runs jobs by one runner.

    Only one worker at a time runs a job's generator, so methods need no locks. An error ends its
    own job and no other. When the device runs out of memory, the step is tried again with half as
    many clips.

    Args:
        runner: the network; its `batch` is the most clips in a step.
        workers: the threads; together they take both kinds of jobs.
        step_s: seconds that a step of several clips aims at.
        on_pass: called in a worker's thread after each pass.
    """

    def __init__(
        self,
        runner: ModelRunner,
        workers: Sequence[Worker] = (Worker(),),
        step_s: float = STEP_S,
        on_pass: Callable[[Pass], None] | None = None,
    ) -> None:
        self.runner = runner
        self.budget = Budget(runner.batch, step_s)
        self._on_pass = on_pass
        self._scheduler = Scheduler()
        self._wake = threading.Condition()
        self._active = 0
        self._closed = False
        self._gives_lone_threads = any(each.lone_threads != each.threads for each in workers)
        self._threads = [self._start(number, worker) for number, worker in enumerate(workers)]

    @property
    def active(self) -> int:
        """The number of unfinished jobs."""
        return self._active

    def submit(self, job: Job[Any]) -> bool:
        """Queue a job; False if the device is closed."""
        with self._wake:
            if self._closed:
                return False
            self._active += 1
            self._scheduler.add(job)
            self._wake.notify_all()
        return True

    def close(self) -> None:
        """Cancel all jobs and end the threads."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()
        for job in self._scheduler.clear():
            job.cancel()
            job.stop_if_due()

    def calibrate(
        self, trial: Callable[[], object], shorter: Callable[[], object] | None = None
    ) -> None:
        """Warm up, and measure whether the network is large enough for `Worker.lone_threads`.

        Args:
            trial: makes this device run a pass, and returns when it has ended.
            shorter: the same with fewer frames. If these take long, that is all: a request then
                doesn't feel whether it is the first.
        """
        wanted, self._gives_lone_threads = self._gives_lone_threads, False
        if wanted and shorter is not None:
            began = time.perf_counter()
            shorter()
            if time.perf_counter() - began > SURELY_LONG_S:
                self._gives_lone_threads = True
                return
        trial()
        began = time.perf_counter()
        if wanted:
            trial()
        if wanted and time.perf_counter() - began > SHORT_PASS_S:
            self._gives_lone_threads = True
            trial()

    def memory(self) -> int:
        """Bytes that torch holds on a GPU; on a processor the process's resident size."""
        if self.runner.device.type == "cuda":
            return torch.cuda.memory_allocated(self.runner.device)
        return resident_bytes()

    def _start(self, number: int, worker: Worker) -> threading.Thread:
        ready = threading.Event()
        thread = threading.Thread(
            target=self._loop,
            args=(worker, ready),
            name=f"videovisual-{self.runner.device}-{number}",
            daemon=True,
        )
        own = torch.get_num_threads()
        thread.start()
        # One worker after another, because torch's count also applies to all later threads.
        ready.wait()
        torch.set_num_threads(own)
        return thread

    def _loop(self, worker: Worker, ready: threading.Event) -> None:
        worker.configure_thread()
        ready.set()
        while (step := self._next(worker)) is not None:
            lone = self._gives_lone_threads and self._active <= 1
            threads = worker.lone_threads if lone else worker.threads
            if threads is not None and threads != torch.get_num_threads():
                torch.set_num_threads(threads)
            self._run(step)

    def _next(self, worker: Worker) -> Step | None:
        with self._wake:
            while not self._closed:
                self._active -= len(self._scheduler.sweep())
                step = self._scheduler.take(
                    self._room,
                    classifications=worker.classifications,
                    explanations=worker.explanations,
                )
                if step is not None:
                    return step
                self._wake.wait()
            return None

    def _room(self, kind: Kind) -> int:
        if self.runner.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.runner.device)
            reserved = torch.cuda.memory_reserved(self.runner.device)
            used = torch.cuda.memory_allocated(self.runner.device)
            self.budget.memory = int(FREE_SHARE * (free + reserved - used))
        return self.budget.room(kind)

    def _run(self, step: Step) -> None:
        """Run a step, and queue each job again as soon as it has its next probe."""
        if step.kind is None:
            ((job, _),) = step.pieces
            self._continue(job, 0.0, lambda: job.advance(None))
            return
        began = time.perf_counter()
        outcomes = self._read(step, step.kind)
        seconds = time.perf_counter() - began
        for (job, count), outcome in zip(step.pieces, outcomes, strict=True):
            share = seconds * count / step.clips
            job.count_step()
            if outcome is None:
                self._continue(job, share, lambda: None)
            elif isinstance(outcome, Reading):
                self._continue(job, share, lambda job=job, reading=outcome: job.take(reading))  # type: ignore[misc]
            else:
                self._continue(job, share, lambda job=job, error=outcome: job.fail(error))  # type: ignore[misc]

    def _continue(self, job: Job[Any], cost: float, act: Callable[[], None]) -> None:
        began = time.perf_counter()
        if not job.stop_if_due():
            with TORCH.read():
                act()
        cost += time.perf_counter() - began
        with self._wake:
            if job.stop_if_due():
                self._active -= 1
            else:
                self._scheduler.charge(job, cost)
                self._scheduler.add(job)
            self._wake.notify_all()

    def _read(self, step: Step, kind: Kind) -> Sequence[Reading | Exception | None]:
        """Each piece's reading or error; None if the piece must be read again."""
        pending = [(job.pending, count) for job, count in step.pieces]
        pieces = [probe.piece(count) for probe, count in pending if probe is not None]
        try:
            clips, targets = gather(pieces, self.runner.device)
            reading = self._pass(kind, clips, targets, step.room)
        except torch.OutOfMemoryError as error:
            return self._out_of_memory(step, kind, error)
        except Exception as error:
            if len(pieces) == 1:
                return [error]
            # Read each piece alone, so that only the one that caused the error fails.
            alone = [Step([piece], kind, step.room) for piece in step.pieces]
            return [outcome for one in alone for outcome in self._read(one, kind)]
        return split(reading, [count for _, count in step.pieces])

    def _pass(
        self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor | None, room: int
    ) -> Reading:
        device, recorder = self.runner.device, self.runner.recorder
        cuda = device.type == "cuda"
        before = 0
        if cuda:
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
        attempts = recorder.attempts if recorder is not None else 0
        began = time.perf_counter()
        reading = self.runner.read(kind, clips, targets)
        memory = None
        if cuda:
            torch.cuda.synchronize(device)
            # A recording allocated its memory earlier.
            if recorder is None or not kind.folded:
                memory = torch.cuda.max_memory_allocated(device) - before
        seconds = time.perf_counter() - began
        # Recording takes many times as long as the pass that is recorded.
        if recorder is None or recorder.attempts == attempts:
            self.budget.learn(kind, len(clips), seconds, memory)
        if self._on_pass is not None:
            self._on_pass(Pass(str(device), kind.name, len(clips), room, seconds))
        return reading

    def _out_of_memory(
        self, step: Step, kind: Kind, error: torch.OutOfMemoryError
    ) -> Sequence[Exception | None]:
        self.budget.halve(kind, step.clips)
        if self.runner.recorder is not None:
            self.runner.recorder.clear()
        if self.runner.device.type == "cuda":
            torch.cuda.empty_cache()
        if step.clips > 1:
            return [None] * len(step.pieces)
        refusal = TooLarge(
            f"One clip of {list(kind.shape)} does not fit into the memory of "
            f"{self.runner.device}. Ask for fewer frames, or for a method without gradients.",
            shape=list(kind.shape),
        )
        refusal.__cause__ = error
        return [refusal]
