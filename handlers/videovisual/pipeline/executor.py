"""Where a pipeline's work is run: in the calling thread, or in an engine that requests share."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Result, Work
from videovisual.engine.progress import Progress
from videovisual.engine.scores import Scores
from videovisual.pipeline.explainer import Explainer
from videovisual.saliency import Saliency
from videovisual.zoo import Classifier


class Executor:
    """Runs a pipeline's work in the calling thread.

    Args:
        classifier: whose network is run.
        on_progress: called before each step that reports one.

    Attributes:
        best: after a `DeadlineExceeded`, makes the best map so far; None where there is none.
    """

    def __init__(
        self, classifier: Classifier, on_progress: Callable[[Progress], None] | None = None
    ) -> None:
        self.best: Callable[[], Saliency] | None = None
        self._classifier = classifier
        self._on_progress = on_progress

    def place(self, explainer: Explainer) -> tuple[Explainer, int | None]:
        """The explainer on the device that it will run on, and that device's number."""
        return replace(explainer, batch=self._classifier.batch), None

    def run(
        self,
        work: Work[Result],
        *,
        device: int | None = None,
        classification: bool = False,
        subject: Mapping[str, str] | None = None,
    ) -> Result:
        """Run work to its end.

        Args:
            work: a generator of probes.
            device: the number that `place` gave; any device by default.
            classification: whether it is one; classifications go before explanations.
            subject: `method` and `target` of an explanation, for its progress.

        Raises:
            Cancelled, DeadlineExceeded: the request ended first.
            VideoVisualError: what the work raised.
        """
        return run(runner_of(self._classifier), work, self._on_progress)

    def decoding(self) -> AbstractContextManager[Any]:
        """Entered while frames are decoded or pictures drawn."""
        return nullcontext()

    def hold(self, size: int) -> None:
        """Count `size` bytes more for the request.

        Raises:
            Overloaded: there is no room for them.
        """


_RUNNERS: WeakKeyDictionary[Classifier, tuple[object, ModelRunner]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def runner_of(classifier: Classifier) -> ModelRunner:
    """The classifier's runner, kept as long as the classifier lives and its weights stay.

    A runner folds the network once and keeps the copy, which changed weights would leave behind.
    """
    network = classifier.network
    tensors = (*network.parameters(), *network.buffers())
    versions = [0 if tensor.is_inference() else tensor._version for tensor in tensors]
    state = (id(network), [tensor.data_ptr() for tensor in tensors], versions)
    with _LOCK:
        known = _RUNNERS.get(classifier)
        if known is None or known[0] != state:
            scores = Scores(classifier.card.scores)
            known = state, ModelRunner(network, classifier.device, classifier.batch, scores=scores)
            _RUNNERS[classifier] = known
        return known[1]
