"""One copy of the network with its queue, and the threads that run its steps."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from videovisual.engine.batch import Kind, gather, split
from videovisual.engine.budget import STEP_S, Budget
from videovisual.engine.job import Job
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Reading
from videovisual.engine.rwlock import TORCH
from videovisual.engine.scheduler import Scheduler, Step
from videovisual.errors import TooLarge

FREE_SHARE = 0.8
"""The share of a GPU's free memory that a step may take."""

QUICK_S = 0.1
"""A pass that takes less by a lane's own threads gains nothing by more: each layer is done before
they have woken up."""


@dataclass(frozen=True)
class Lane:
    """A thread that runs steps.

    Attributes:
        urgent, patient: whether it takes classifications, and explanations.
        threads: of torch's in it; None leaves torch's own choice.
        alone: the same while there is no more than one job, which may have the whole processor,
            unless `Device.settle` found the network too small for it.
        nice: how far it steps back for others on the processor, 0 to 19.
        idle: whether it runs only where nothing else wants the processor, and gives way at once.
            Only Linux can tell threads apart, by this or by `nice`.
    """

    urgent: bool = True
    patient: bool = True
    threads: int | None = None
    alone: int | None = None
    nice: int = 0
    idle: bool = False


@dataclass(frozen=True)
class Pass:
    """What a pass of the network was, for whoever counts.

    Attributes:
        device: where it ran.
        kind: `scores`, `gradient`, `layer` or `apply`.
        clips: how many it had.
        room: how many would have fitted.
        seconds: how long it took.
    """

    device: str
    kind: str
    clips: int
    room: int
    seconds: float


class Device:
    """Runs jobs on one oracle.

    A job's generator runs in one lane at a time, so methods need no locks. An error ends the job
    that made it and touches no other. When the device's memory is full, the step is tried again
    with half as many clips.

    Args:
        oracle: the network; its `batch` is the most clips in a step.
        lanes: the threads; together they take both kinds of jobs.
        step_s: seconds that a step of several clips aims at.
        on_pass: called in a lane after each pass.
    """

    def __init__(
        self,
        oracle: ModelRunner,
        lanes: Sequence[Lane] = (Lane(),),
        step_s: float = STEP_S,
        on_pass: Callable[[Pass], None] | None = None,
    ) -> None:
        self.oracle = oracle
        self.budget = Budget(oracle.batch, step_s)
        self._on_pass = on_pass
        self._scheduler = Scheduler()
        self._wake = threading.Condition()
        self._active = 0
        self._closed = False
        self._spreads = any(lane.alone != lane.threads for lane in lanes)
        self._threads = [self._start(number, lane) for number, lane in enumerate(lanes)]

    @property
    def active(self) -> int:
        """How many jobs it has."""
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

    def settle(self, trial: Callable[[], object]) -> None:
        """Warm up, and find out whether the network is large enough for a lone job to be spread.

        Args:
            trial: has this device do a pass, and returns when it is done.
        """
        spreads, self._spreads = self._spreads, False
        trial()
        self._spreads = spreads and _seconds(trial) > QUICK_S
        if self._spreads:
            trial()

    def memory(self) -> int:
        """Bytes that the process holds on the device: on a GPU torch's, else its resident size."""
        if self.oracle.device.type == "cuda":
            return torch.cuda.memory_allocated(self.oracle.device)
        return resident_bytes()

    def _start(self, number: int, lane: Lane) -> threading.Thread:
        ready = threading.Event()
        thread = threading.Thread(
            target=self._loop,
            args=(lane, ready),
            name=f"videovisual-{self.oracle.device}-{number}",
            daemon=True,
        )
        own = torch.get_num_threads()
        thread.start()
        # Lanes set themselves up one after another: torch keeps a count for all threads to come.
        ready.wait()
        torch.set_num_threads(own)
        return thread

    def _loop(self, lane: Lane, ready: threading.Event) -> None:
        _set_up(lane)
        ready.set()
        while (step := self._next(lane)) is not None:
            self._share(lane)
            self._run(step)

    def _share(self, lane: Lane) -> None:
        threads = lane.alone if self._spreads and self._active <= 1 else lane.threads
        if threads is not None and threads != torch.get_num_threads():
            torch.set_num_threads(threads)

    def _next(self, lane: Lane) -> Step | None:
        with self._wake:
            while not self._closed:
                self._active -= len(self._scheduler.sweep())
                step = self._scheduler.take(self._room, urgent=lane.urgent, patient=lane.patient)
                if step is not None:
                    return step
                self._wake.wait()
            return None

    def _room(self, kind: Kind) -> int:
        if self.oracle.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.oracle.device)
            held = torch.cuda.memory_reserved(self.oracle.device)
            used = torch.cuda.memory_allocated(self.oracle.device)
            self.budget.memory = int(FREE_SHARE * (free + held - used))
        return self.budget.room(kind)

    def _run(self, step: Step) -> None:
        """Run a step, and let each job back in as soon as it has its next probe."""
        if step.kind is None:
            ((job, _),) = step.pieces
            self._go_on(job, 0.0, lambda: job.advance(None))
            return
        began = time.perf_counter()
        outcomes = self._read(step, step.kind)
        seconds = time.perf_counter() - began
        for (job, count), outcome in zip(step.pieces, outcomes, strict=True):
            share = seconds * count / step.clips
            job.count_step()
            if outcome is None:
                self._go_on(job, share, lambda: None)
            elif isinstance(outcome, Reading):
                self._go_on(job, share, lambda job=job, reading=outcome: job.take(reading))  # type: ignore[misc]
            else:
                self._go_on(job, share, lambda job=job, error=outcome: job.fail(error))  # type: ignore[misc]

    def _go_on(self, job: Job[Any], cost: float, act: Callable[[], None]) -> None:
        began = time.perf_counter()
        if not job.stop_if_due():
            with TORCH.shared():
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
        """Each piece's reading or error; None where it has to be asked again."""
        pending = [(job.pending, count) for job, count in step.pieces]
        pieces = [probe.piece(count) for probe, count in pending if probe is not None]
        try:
            clips, targets = gather(pieces, self.oracle.device)
            reading = self._pass(kind, clips, targets, step.room)
        except torch.OutOfMemoryError as error:
            return self._short_of_memory(step, kind, error)
        except Exception as error:
            if len(pieces) == 1:
                return [error]
            # One of them is to blame, and only that one is to fail.
            alone = [Step([piece], kind, step.room) for piece in step.pieces]
            return [outcome for one in alone for outcome in self._read(one, kind)]
        return split(reading, [count for _, count in step.pieces])

    def _pass(
        self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor | None, room: int
    ) -> Reading:
        cuda = self.oracle.device.type == "cuda"
        before = 0
        if cuda:
            torch.cuda.reset_peak_memory_stats(self.oracle.device)
            before = torch.cuda.memory_allocated(self.oracle.device)
        recorder = self.oracle.recorder
        tries = recorder.tries if recorder is not None else 0
        began = time.perf_counter()
        reading = self.oracle.read(kind, clips, targets)
        taken = None
        if cuda:
            torch.cuda.synchronize(self.oracle.device)
            # A recording's memory was taken long ago.
            if recorder is None or not kind.quick:
                taken = torch.cuda.max_memory_allocated(self.oracle.device) - before
        seconds = time.perf_counter() - began
        # Recording takes many times as long as what was recorded.
        if recorder is None or recorder.tries == tries:
            self.budget.learn(kind, len(clips), seconds, taken)
        if self._on_pass is not None:
            device = str(self.oracle.device)
            self._on_pass(Pass(device, kind.name, len(clips), room, seconds))
        return reading

    def _short_of_memory(
        self, step: Step, kind: Kind, error: torch.OutOfMemoryError
    ) -> Sequence[Exception | None]:
        self.budget.halve(kind, step.clips)
        if self.oracle.recorder is not None:
            self.oracle.recorder.clear()
        if self.oracle.device.type == "cuda":
            torch.cuda.empty_cache()
        if step.clips > 1:
            return [None] * len(step.pieces)
        refusal = TooLarge(
            f"One clip of {list(kind.shape)} does not fit into the memory of "
            f"{self.oracle.device}. Ask for fewer frames, or for a method without gradients.",
            shape=list(kind.shape),
        )
        refusal.__cause__ = error
        return [refusal]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def resident_bytes() -> int:
    """Physical memory that this process holds; 0 where the system doesn't tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def trim_memory() -> None:
    """Give the system back what the C library keeps of freed memory, where it has a way to."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _set_up(lane: Lane) -> None:
    if lane.threads is not None:
        # A thread's first question makes torch set its own count, over the one set before.
        torch.get_num_threads()
        torch.set_num_threads(lane.threads)
    thread = threading.get_native_id()
    if lane.nice and hasattr(os, "setpriority"):
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, own + lane.nice)
    if lane.idle and hasattr(os, "SCHED_IDLE"):
        # A container may forbid it.
        with suppress(PermissionError):
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
