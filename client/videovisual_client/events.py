"""The events of a running job, and the parser of the server's lines of JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from videovisual.protocol import Answer, Array
from videovisual_client.errors import Cancelled, ConnectionFailed, VideoVisualError, from_json
from videovisual_client.wire import MAX_ANSWER_BYTES, MIB, check_map, parse_answer, parse_json

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
    def map(self) -> "npt.NDArray[np.float32]":
        """The map: float32 [T, H, W].

        Raises:
            MissingExtra: numpy is not installed.
        """
        return self.encoded.to_numpy()


Event = Accepted | Progress | Partial

EVENTS: Mapping[str, TypeAdapter[Any]] = {
    "accepted": TypeAdapter(Accepted),
    "progress": TypeAdapter(Progress),
    "partial": TypeAdapter(Partial),
}


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
        self._size = 0
        self._answer: Answer | None = None
        self._error: VideoVisualError | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events of the lines that a chunk completes.

        Raises:
            ConnectionFailed: a line is too long, or is no event.
        """
        # Joined only at a line's end, so that the time is linear in the line's length.
        head, *rest = chunk.split(b"\n")
        self._add(head)
        for start in rest:
            yield from self.finish()
            self._add(start)

    def finish(self) -> Iterator[Event]:
        """The event of the present line, which ends here.

        Raises:
            ConnectionFailed: the line is no event.
        """
        line = b"".join(self._unfinished)
        self._unfinished, self._size = [], 0
        event = self.parse(line) if line.strip() else None
        if event is not None:
            yield event

    def _add(self, part: bytes) -> None:
        self._unfinished.append(part)
        self._size += len(part)
        if self._size > MAX_ANSWER_BYTES:
            raise ConnectionFailed(
                f"The server sent a line of more than {MAX_ANSWER_BYTES // MIB} MiB, the most "
                "that this client reads. Ask for fewer maps at once."
            )

    def parse(self, line: bytes) -> Event | None:
        """The event of one line; None for the lines that end a job, and for unknown events.

        Raises:
            ConnectionFailed: the line is no JSON, or not what its event consists of.
        """
        fields = parse_json(line)
        if not isinstance(fields, dict):
            raise _broken("a line that is no event")
        kind = str(fields.get("event"))
        if kind == "result":
            if not self.ended:
                self._answer = parse_answer(fields.get("answer"))
        elif "error" in fields:
            status = fields.get("status")
            error = from_json(fields, status if isinstance(status, int) else 500)
            self._error = self._error or error
        elif kind in EVENTS:
            return self._event(EVENTS[kind], fields)
        return None

    def _event(self, kind: TypeAdapter[Any], fields: dict[str, Any]) -> Event:
        known = {name: value for name, value in fields.items() if value is not None}
        known["method"] = known.get("method")
        known["target"] = _label(known.get("target"))
        if "map" in known:
            known["encoded"] = known.pop("map")
        try:
            event: Event = kind.validate_python(known)
            if isinstance(event, Partial):
                check_map(event.encoded)
        except ValueError:
            raise _broken(f"a {fields['event']} event without its parts") from None
        if isinstance(event, Accepted):
            self.accepted = event
        return event

    @property
    def ended(self) -> bool:
        """Whether the answer or an error has arrived."""
        return self._answer is not None or self._error is not None

    def fail(self, error: VideoVisualError) -> None:
        """End the job with an error, unless it has ended or this side has cancelled it."""
        if not self.ended and not self.cancelled:
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


def _broken(what: str) -> ConnectionFailed:
    return ConnectionFailed(
        f"The server sent {what}. Check that its version fits this client, and any proxy before it."
    )


def _label(target: Any) -> str | None:
    if isinstance(target, Mapping):
        target = target.get("label")
    return None if target is None else str(target)
