"""The metrics of the services in Prometheus' text format."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from videovisual.server.metrics import METRICS, Form, Sample

TEXT = "text/plain; version=0.0.4; charset=utf-8"
KINDS: dict[Form, Any] = {Form.COUNTER: Counter, Form.GAUGE: Gauge, Form.HISTOGRAM: Histogram}


class Exposition:
    """Keeps the value of every metric."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._families = {
            metric: KINDS[metric.form](
                metric.name, metric.about, metric.labels, registry=self._registry
            )
            for metric in METRICS
        }

    def take(self, sample: Sample) -> None:
        """Take one value; thread-safe."""
        family = self._families[sample.metric].labels(*sample.labels)
        match sample.metric.form:
            case Form.COUNTER:
                family.inc(sample.value)
            case Form.GAUGE:
                family.set(sample.value)
            case Form.HISTOGRAM:
                family.observe(sample.value)

    def text(self) -> bytes:
        """All values as text."""
        return generate_latest(self._registry)
