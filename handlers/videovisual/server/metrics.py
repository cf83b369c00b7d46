"""The metrics of a service, in a form that any metrics system can take."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Form(Enum):
    """The type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: with its unit, as Prometheus recommends.
        form: counter, gauge or histogram.
        unit: of its values.
        labels: names of its labels.
        about: a description in one line.
    """

    name: str
    form: Form
    unit: str
    labels: tuple[str, ...]
    about: str


METRICS: list[Metric] = []


def _metric(name: str, form: Form, unit: str, labels: str, about: str) -> Metric:
    METRICS.append(Metric(f"videovisual_{name}", form, unit, tuple(labels.split()), about))
    return METRICS[-1]


REQUESTS = _metric(
    "requests_total", Form.COUNTER, "count", "model method status", "requests answered"
)
CLASSIFICATION = _metric(
    "classification_seconds", Form.HISTOGRAM, "s", "model", "from a request to its answer"
)
EXPLANATION = _metric(
    "explanation_minutes", Form.HISTOGRAM, "min", "model method", "from a request to its answer"
)
REFUSED = _metric("refused_total", Form.COUNTER, "count", "model reason", "answered 503: no room")
CANCELLED = _metric("cancelled_total", Form.COUNTER, "count", "model", "given up by the client")
STEPS = _metric("steps_total", Form.COUNTER, "count", "model device kind", "network passes")
CLIPS = _metric(
    "step_clips_total", Form.COUNTER, "count", "model device kind", "clips in these passes"
)
SECONDS = _metric(
    "step_seconds_total", Form.COUNTER, "s", "model device kind", "time that they took"
)
FILL = _metric(
    "batch_fill", Form.GAUGE, "share", "model device", "clips over room, of the last passes"
)
RUNNING = _metric("running", Form.GAUGE, "count", "model", "explanations at work")
WAITING = _metric("waiting", Form.GAUGE, "count", "model", "explanations in line")
CLASSIFYING = _metric("classifying", Form.GAUGE, "count", "model", "classifications under way")
JOB_RESULTS = _metric(
    "job_result_bytes", Form.GAUGE, "bytes", "model", "results of ended jobs that are kept"
)
MEMORY = _metric(
    "device_memory_bytes",
    Form.GAUGE,
    "bytes",
    "model device",
    "a GPU's memory in use; of a processor the worker's resident memory",
)

Values = tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """One value to report: a counter's increase, a gauge's value, or a histogram's observation."""

    metric: Metric
    labels: Values
    value: float


class Counts:
    """Collects values from any thread until they are drained.

    Counters are summed and only a gauge's last value is kept, so the drained list stays short.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[tuple[Metric, Values], float] = {}
        self._levels: dict[tuple[Metric, Values], float] = {}
        self._told: dict[tuple[Metric, Values], float] = {}
        self._observed: list[Sample] = []

    def add(self, metric: Metric, *labels: str, value: float = 1.0) -> None:
        """Increase a counter."""
        with self._lock:
            key = (metric, labels)
            self._sums[key] = self._sums.get(key, 0.0) + value

    def set(self, metric: Metric, *labels: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._levels[metric, labels] = value

    def observe(self, metric: Metric, *labels: str, value: float) -> None:
        """Add an observation to a histogram."""
        with self._lock:
            self._observed.append(Sample(metric, labels, value))

    def drain(self) -> Sequence[Sample]:
        """The values since the last call, without gauges that have not changed."""
        with self._lock:
            news = {
                key: value for key, value in self._levels.items() if self._told.get(key) != value
            }
            self._told.update(news)
            drained = [Sample(*key, value) for key, value in (self._sums | news).items()]
            drained += self._observed
            self._sums, self._levels, self._observed = {}, {}, []
            return drained
