"""Metrics and journal entries of one model's service."""

import threading
import time
from collections.abc import Mapping, Sequence

from videovisual.engine.device import Device, Pass
from videovisual.errors import Cancelled, Overloaded
from videovisual.server import journal, metrics
from videovisual.server.metrics import Counts
from videovisual.server.reply import Reply
from videovisual.server.request_state import RequestState

NO_METHOD = "none"
SEVERAL = "several"


class Telemetry:
    """Updates one model's metrics and journal; thread-safe."""

    def __init__(self, model: str, counts: Counts) -> None:
        self._model = model
        self._counts = counts
        self._lock = threading.Lock()
        self._room: dict[str, tuple[int, int]] = {}

    def passed(self, done: Pass) -> None:
        """Count a pass of the network."""
        where = (self._model, _plain(done.device), done.kind)
        self._counts.add(metrics.STEPS, *where)
        self._counts.add(metrics.CLIPS, *where, value=done.clips)
        self._counts.add(metrics.SECONDS, *where, value=done.seconds)
        with self._lock:
            clips, room = self._room.get(done.device, (0, 0))
            self._room[done.device] = (clips + done.clips, room + done.room)

    def refused(self, state: RequestState, error: Overloaded) -> None:
        """Count a request that was refused."""
        reason = str(error.detail["reason"])
        self._counts.add(metrics.REFUSED, self._model, reason)
        journal.note("refused", request=state.number, model=self._model, reason=reason)

    def answered(self, state: RequestState, reply: Reply) -> None:
        """Count a request that has its reply."""
        seconds = time.monotonic() - state.issued
        method = SEVERAL if len(state.methods) > 1 else (*state.methods, NO_METHOD)[0]
        self._counts.add(metrics.REQUESTS, self._model, method, str(reply.status))
        if reply.status == Cancelled.status:
            self._counts.add(metrics.CANCELLED, self._model)
        elif reply.status == 200 and state.methods:
            self._counts.observe(metrics.EXPLANATION, self._model, method, value=seconds / 60)
        elif reply.status == 200:
            self._counts.observe(metrics.CLASSIFICATION, self._model, value=seconds)
        journal.note(
            "answered",
            request=state.number,
            model=self._model,
            methods=state.methods,
            status=reply.status,
            seconds=round(seconds, 4),
            bytes=len(reply.body),
            steps=state.steps,
            steps_after_cancel=state.late_steps,
        )

    def fault(self, state: RequestState) -> None:
        """Log a fault of the server; called while the error is handled."""
        journal.fault("failed", request=state.number, model=self._model)

    def level(self, counts: Mapping[str, int], kept: int, devices: Sequence[Device]) -> None:
        """Set the gauges; `kept` is of jobs' results, in bytes."""
        self._counts.set(metrics.JOB_RESULTS, self._model, value=kept)
        for metric, name in (
            (metrics.RUNNING, "running"),
            (metrics.WAITING, "waiting"),
            (metrics.CLASSIFYING, "classifying"),
        ):
            self._counts.set(metric, self._model, value=counts[name])
        with self._lock:
            rooms, self._room = self._room, {}
        for name, (clips, room) in rooms.items():
            self._counts.set(metrics.FILL, self._model, _plain(name), value=round(clips / room, 3))
        for device in devices:
            where = _plain(str(device.runner.device))
            self._counts.set(metrics.MEMORY, self._model, where, value=device.memory())


def _plain(device: str) -> str:
    """A device's name without its colon, which some metrics formats cannot hold."""
    return device.replace(":", "")
