"""A reader-writer lock, and the one that guards torch in this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class RWLock:
    """A lock that many readers share or one writer holds alone; a waiting writer goes next."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False
        self._waiting_writers = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        """While open, there is no writer."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing and not self._waiting_writers)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        """While open, there is no reader and no other writer."""
        with self._changed:
            self._waiting_writers += 1
            self._changed.wait_for(lambda: not self._writing and not self._readers)
            self._waiting_writers -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()


TORCH = RWLock()
"""Code that uses torch reads; a library that replaces torch's functions while it runs writes."""
