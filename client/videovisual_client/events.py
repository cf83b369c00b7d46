"""The events of a running job, and the parser of the server's lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from videovisual.protocol import Answer, Array
from videovisual_client.errors import Cancelled, ConnectionFailed, VideoVisualError, from_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Accepted:
    """The server has accepted the job.

    Attributes:
        job: the job's id on the server; empty if the server gives none.
        queue: how many jobs are queued before it; 0 means that it runs.
    """

    job: str = ""
    queue: int = 0


@dataclass(frozen=True)
class Progress:
    """The progress of a job.

    Attributes:
        step, of: steps done, and in all.
        objective: the value being optimised, if the method has one.
        probability: the target's probability at the last step, in [0, 1], if known.
        eta_s: seconds that the method still takes, as the server estimates.
        method: the method that is running, if the server names it.
        target: the class that is being explained, if the server names it.
    """

    step: int
    of: int
    objective: float | None = None
    probability: float | None = None
    eta_s: float | None = None
    method: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class Partial:
    """The best map so far of a method that can be stopped at any time.

    Attributes:
        method, target: what the map explains.
        encoded: the map as the server sent it.
        step: how many steps were done.
    """

    method: str | None
    target: str | None
    encoded: Array = field(repr=False)
    step: int

    @cached_property
    def map(self) -> npt.NDArray[np.float32]:
        """The map: float32 [T, H, W].

        Raises:
            MissingExtra: numpy is not installed.
        """
        return self.encoded.to_numpy()


Event = Accepted | Progress | Partial


class EventParser:
    """Parses the lines of one job's response.

    Attributes:
        accepted: the first event.
        cancelled: set when this side stops reading a job that the server can't cancel by id.
    """

    def __init__(self) -> None:
        self.accepted = Accepted()
        self.cancelled = False
        self._unfinished: list[bytes] = []
        self._answer: Answer | None = None
        self._error: VideoVisualError | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events of the lines that a chunk completes."""
        # Joined only at a line's end, so that the time is linear in the line's length.
        head, *rest = chunk.split(b"\n")
        self._unfinished.append(head)
        for start in rest:
            line = b"".join(self._unfinished)
            self._unfinished = [start]
            event = self.parse(line) if line.strip() else None
            if event is not None:
                yield event

    def parse(self, line: bytes) -> Event | None:
        """The event of one line; None for the lines that end a job."""
        fields: Mapping[str, Any] = json.loads(line)
        kind = fields.get("event")
        if kind == "accepted":
            self.accepted = Accepted(str(fields.get("job") or ""), int(fields.get("queue") or 0))
            return self.accepted
        if kind == "progress":
            return _progress(fields)
        if kind == "partial":
            return _partial(fields)
        if kind == "result":
            self._answer = Answer.model_validate(fields["answer"])
        elif "error" in fields:
            self._error = from_json(fields, int(fields.get("status", 500)))
        return None

    @property
    def ended(self) -> bool:
        """Whether the answer or an error has arrived."""
        return self._answer is not None or self._error is not None

    def fail(self, error: VideoVisualError) -> None:
        """End the job with an error of this side, unless it has ended."""
        if not self.ended:
            self._error = error

    def answer(self) -> Answer:
        """The answer, once the response has ended.

        Raises:
            VideoVisualError: the server's error, or the reason why no answer arrived.
        """
        if self._answer is not None:
            return self._answer
        if self._error is not None:
            raise self._error
        if self.cancelled:
            raise Cancelled("The job was cancelled.")
        raise ConnectionFailed("The server closed the connection before it sent the result.")


def _progress(fields: Mapping[str, Any]) -> Progress:
    return Progress(
        step=int(fields["step"]),
        of=int(fields["of"]),
        objective=fields.get("objective"),
        probability=fields.get("probability"),
        eta_s=fields.get("eta_s"),
        method=fields.get("method"),
        target=_label(fields.get("target")),
    )


def _partial(fields: Mapping[str, Any]) -> Partial:
    return Partial(
        method=fields.get("method"),
        target=_label(fields.get("target")),
        encoded=Array.model_validate(fields["map"]),
        step=int(fields["step"]),
    )


def _label(target: Any) -> str | None:
    if isinstance(target, Mapping):
        target = target.get("label")
    return None if target is None else str(target)
