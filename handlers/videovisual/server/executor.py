"""One request's work in the engine that all requests share."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from videovisual.engine.engine import Engine
from videovisual.engine.probe import Result, Work
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.explainer import Explainer
from videovisual.server.request_state import RequestState
from videovisual.zoo import Classifier

CHECK_S = 0.1
"""How often a request that waits for a decoder looks whether it has been cancelled."""


class EngineExecutor(Executor):
    """Runs a pipeline's work as jobs of an engine, which has a copy of the classifier per device.

    `decoders` bounds how many requests decode or draw at once; `hold` counts bytes for the request.
    """

    def __init__(
        self,
        engine: Engine,
        classifiers: Sequence[Classifier],
        state: RequestState,
        priority: int,
        decoders: threading.Semaphore,
        hold: Callable[[int], None],
    ) -> None:
        super().__init__(classifiers[0])
        self._engine = engine
        self._classifiers = classifiers
        self._state = state
        self._priority = priority
        self._decoders = decoders
        self._hold = hold

    def place(self, explainer: Explainer) -> tuple[Explainer, int | None]:
        """See `Executor`; the device with the fewest jobs."""
        device = self._engine.place()
        here = replace(
            explainer,
            classifier=self._classifiers[device],
            batch=self._engine.batch,
            recorder=self._engine.recorder(device),
        )
        return here, device

    def run(
        self,
        work: Work[Result],
        *,
        device: int | None = None,
        classification: bool = False,
        subject: Mapping[str, str] | None = None,
    ) -> Result:
        """See `Executor`."""
        submit = partial(
            self._engine.submit,
            work,
            device=device,
            classification=classification,
            priority=0 if subject is None else self._priority,
        )
        try:
            return self._state.run(submit, subject)
        finally:
            self.best = self._state.best

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """See `Executor`; raises Cancelled or DeadlineExceeded where the request ends first."""
        while not self._decoders.acquire(timeout=CHECK_S):
            self._state.check()
        try:
            self._state.check()
            yield
        finally:
            self._decoders.release()

    def hold(self, size: int) -> None:
        """See `Executor`."""
        self._hold(size)
