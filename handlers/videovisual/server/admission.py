"""Which requests are accepted, and which explanations run or wait in the queue."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from videovisual.errors import Cancelled, DeadlineExceeded, Overloaded, TooLarge, VideoVisualError
from videovisual.server.settings import Settings


@dataclass(eq=False)
class Place:
    """An accepted request.

    Attributes:
        explains: whether it asks for an explanation.
        held: bytes that it holds.
        needs: bytes that it needs in addition as soon as it runs.
        running: whether it runs; else it waits.
        model: which it asks.
    """

    explains: bool
    held: int
    needs: int
    running: bool
    model: str = ""

    @property
    def size(self) -> int:
        """Bytes that are counted for it now."""
        return self.held + (self.needs if self.running else 0)


class Admission:
    """Counts requests and the memory that they hold.

    Up to `max_running` explanations run, fewer where memory is short, up to `max_waiting` wait in a
    queue, and more are refused. Classifications have a limit of their own, so a full queue of
    explanations doesn't block them. Several services of one process share one.

    Attributes:
        decoders: bounds how many requests decode a clip or draw a picture at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.decoders = threading.Semaphore(settings.decoders)
        self._changed = threading.Condition()
        self._places: list[Place] = []

    def counts(self, model: str = "") -> dict[str, int]:
        """A model's explanations `running` and `waiting`, and its requests `classifying`."""
        with self._changed:
            places = [place for place in self._places if place.model == model]
            explaining = [place for place in places if place.explains]
            running = sum(place.running for place in explaining)
            return {
                "running": running,
                "waiting": len(explaining) - running,
                "classifying": len(places) - len(explaining),
            }

    def enter(self, size: int, needs: int = 0, *, explains: bool, model: str = "") -> Place:
        """Accept a request to a model, of `size` bytes, that needs `needs` more when it runs.

        Raises:
            TooLarge: it needs more memory than there may be.
            Overloaded: there is no room; `detail` says whether for `jobs` or for `memory`.
        """
        limits = self._settings
        with self._changed:
            place = Place(explains, size, needs, running=True, model=model)
            self._check_alone(place)
            alike = [other for other in self._places if other.explains == explains]
            most = (
                limits.max_running + limits.max_waiting if explains else limits.max_classifications
            )
            if len(alike) >= most:
                what = "explanations" if explains else "classifications"
                raise self._full(
                    f"{len(alike)} {what} are running or waiting, which is the server's limit",
                    "jobs",
                )
            place.running = not explains or (
                all(other.running for other in alike) and self._may_run(place)
            )
            self._check_memory(place)
            self._places.append(place)
            return place

    def ahead(self, place: Place) -> int:
        """The request's position in the queue, from 1; 0 once it runs or has ended."""
        with self._changed:
            if place.running or place not in self._places:
                return 0
            waiting = [other for other in self._places if other.explains and not other.running]
            return waiting.index(place) + 1

    def hold(self, place: Place, size: int) -> None:
        """Count `size` more bytes for a request.

        Raises:
            TooLarge: it needs more memory than there may be.
            Overloaded: there is no room for them.
        """
        with self._changed:
            place.held += size
            try:
                self._check_alone(place)
                self._check_memory(place)
            except VideoVisualError:
                place.held -= size
                raise

    def wait(self, place: Place, cancelled: Callable[[], bool], deadline: float | None) -> None:
        """Return when the request may run.

        Args:
            place: the request.
            cancelled: whether it was cancelled; called after each `wake`.
            deadline: its deadline, as `time.monotonic()`.

        Raises:
            Cancelled, DeadlineExceeded: the request ended first.
        """
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        with self._changed:
            if not self._changed.wait_for(lambda: place.running or cancelled(), left):
                raise DeadlineExceeded(
                    "timeout_s passed while the request waited for its turn. Allow more time, or "
                    "try again when the server is less busy.",
                    ahead=sum(not other.running for other in self._places),
                )
        if cancelled():
            raise Cancelled("The request was cancelled while it waited for its turn.")

    def wake(self) -> None:
        """Have all waiting requests check whether they were cancelled."""
        with self._changed:
            self._changed.notify_all()

    def leave(self, place: Place) -> None:
        """Remove a finished request; the next one in the queue runs."""
        with self._changed:
            self._places.remove(place)
            for other in self._places:
                if other.explains and not other.running:
                    if not self._may_run(other):
                        # The next ones wait too, or a large one would never run.
                        break
                    other.running = True
            self._changed.notify_all()

    def _may_run(self, place: Place) -> bool:
        running = [other for other in self._places if other.explains and other.running]
        if len(running) >= self._settings.max_running:
            return False
        others = sum(other.size for other in self._places if other is not place)
        # Where nothing runs, nothing would be freed.
        return not running or others + place.held + place.needs <= self._settings.max_bytes

    def _check_alone(self, place: Place) -> None:
        own, most = place.held + place.needs, self._settings.max_bytes
        if own > most:
            raise TooLarge(
                f"This request needs {own} bytes of memory, more than the {most} of all requests "
                "together (the server's max_bytes). Ask for fewer frames, targets or areas, or "
                "send a smaller clip.",
                found=own,
                allowed=most,
            )

    def _check_memory(self, place: Place) -> None:
        others = sum(other.size for other in self._places if other is not place)
        if others and others + place.size > self._settings.max_bytes:
            raise self._full(
                f"The other requests hold {others} bytes, and this one needs {place.size}, which "
                f"together are over the {self._settings.max_bytes} that are allowed",
                "memory",
            )

    def _full(self, why: str, reason: str) -> Overloaded:
        seconds = self._settings.retry_after_s
        return Overloaded(f"{why}. Try again in {seconds} s.", retry_after_s=seconds, reason=reason)
