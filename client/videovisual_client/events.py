"""What a job tells while it runs, and how the server's lines of JSON become it."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    """The server has taken the job in.

    Attributes:
        job: its id there; empty where the server gives none.
        queue: how many jobs are before it; 0 means that it runs.
    """

    job: str = ""
    queue: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Attributes:
        step, of: steps done, and in all.
        objective: the value being optimised, where the method has one.
        probability: the target's probability in the last reading, where it is known.
        eta_s: seconds that the server expects this method to take yet, where it can tell.
        method: the method that is running; None where the server doesn't say.
        target: the class that is being explained; None where the server doesn't say.
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
        method, target: whose map it is.
        encoded: the map, as it came.
        step: after which step.
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


class Lines:
    """Puts lines together out of chunks, in time linear in their length."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are whole now."""
        head, *rest = chunk.split(b"\n")
        self._pieces.append(head)
        whole: list[bytes] = []
        for piece in rest:
            whole.append(b"".join(self._pieces))
            self._pieces = [piece]
        return [line for line in whole if line.strip()]


class EventParser:
    """What has been heard of one job.

    Attributes:
        accepted: what the server said when it took the job in.
    """

    def __init__(self) -> None:
        self.accepted = Accepted()
        self.given_up = False
        self._answer: Answer | None = None
        self._error: VideoVisualError | None = None

    def hear(self, line: bytes) -> Event | None:
        """Take in one line; what it tells a listener, if anything."""
        said: Mapping[str, Any] = json.loads(line)
        kind = said.get("event")
        if kind == "accepted":
            self.accepted = Accepted(str(said.get("job") or ""), int(said.get("queue") or 0))
            return self.accepted
        if kind == "progress":
            return _progress(said)
        if kind == "partial":
            return _partial(said)
        if kind == "result":
            self._answer = Answer.model_validate(said["answer"])
        elif "error" in said:
            self._error = from_json(said, int(said.get("status", 500)))
        return None

    @property
    def ended(self) -> bool:
        """Whether the outcome is known."""
        return self._answer is not None or self._error is not None

    def fail(self, error: VideoVisualError) -> None:
        """The job ended by what went wrong on this side."""
        if not self.ended:
            self._error = error

    def outcome(self) -> Answer:
        """The answer, once the lines have ended.

        Raises:
            VideoVisualError: what the server said instead, or that it broke off.
        """
        if self._answer is not None:
            return self._answer
        if self._error is not None:
            raise self._error
        if self.given_up:
            raise Cancelled("The job was cancelled.")
        raise ConnectionFailed("The server broke off before the result came.")


def _progress(said: Mapping[str, Any]) -> Progress:
    return Progress(
        step=int(said["step"]),
        of=int(said["of"]),
        objective=said.get("objective"),
        probability=said.get("probability"),
        eta_s=said.get("eta_s"),
        method=said.get("method"),
        target=_label(said.get("target")),
    )


def _partial(said: Mapping[str, Any]) -> Partial:
    return Partial(
        method=said.get("method"),
        target=_label(said.get("target")),
        encoded=Array.model_validate(said["map"]),
        step=int(said["step"]),
    )


def _label(target: Any) -> str | None:
    if isinstance(target, Mapping):
        target = target.get("label")
    return None if target is None else str(target)
