"""Metrics as Prometheus reads them."""

from __future__ import annotations

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra `asgi`")

from videovisual.server import metrics
from videovisual.server.asgi.exposition import Exposition
from videovisual.server.metrics import METRICS, Counts


def test_every_metric_is_shown_under_its_name() -> None:
    counts, shown = Counts(), Exposition()
    for _ in range(2):
        counts.add(metrics.REQUESTS, "m", "rise", "200")
        counts.set(metrics.RUNNING, "m", value=3)
        counts.observe(metrics.CLASSIFICATION, "m", value=0.3)
        for sample in counts.drain():
            shown.take(sample)
    lines = shown.text().decode().splitlines()
    assert 'videovisual_requests_total{method="rise",model="m",status="200"} 2.0' in lines
    assert 'videovisual_running{model="m"} 3.0' in lines
    assert 'videovisual_classification_seconds_bucket{le="0.5",model="m"} 2.0' in lines
    families = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {metric.name for metric in METRICS} <= families
