"""What is counted, and that the dashboard asks for nothing else."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from videovisual.engine.device import Pass
from videovisual.errors import Cancelled, Overloaded
from videovisual.server.metrics import METRICS, REQUESTS, RUNNING, STEPS, Counts, Form
from videovisual.server.reply import JSON, Reply, error_reply
from videovisual.server.request_state import RequestState
from videovisual.server.telemetry import Telemetry

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana.json"


def test_what_is_drained_stays_short() -> None:
    counts = Counts()
    for number in range(1000):
        counts.add(STEPS, "m", "cpu", "scores")
        counts.set(RUNNING, "m", value=number)
    assert {(sample.metric, sample.value) for sample in counts.drain()} == {
        (STEPS, 1000),
        (RUNNING, 999),
    }
    counts.set(RUNNING, "m", value=999)
    assert counts.drain() == []


def request(*methods: str) -> RequestState:
    made = RequestState("7", lambda: None)
    made.methods = methods
    return made


def test_each_outcome_is_counted_and_noted_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "videovisual")
    counts = Counts()
    telemetry = Telemetry("m", counts)
    good = Reply(200, JSON, b"{}")
    telemetry.answered(request(), good)
    telemetry.answered(request("step"), good)
    telemetry.answered(request("step", "rise"), error_reply(Cancelled("gone")))
    telemetry.refused(request(), Overloaded("full", retry_after_s=2, reason="jobs"))
    telemetry.passed(Pass("cuda:1", "gradient", clips=3, room=4, seconds=0.5))
    told = {(sample.metric.name, sample.labels) for sample in counts.drain()}
    assert told == {
        ("videovisual_requests_total", ("m", "none", "200")),
        ("videovisual_requests_total", ("m", "step", "200")),
        ("videovisual_requests_total", ("m", "several", "499")),
        ("videovisual_classification_seconds", ("m",)),
        ("videovisual_explanation_minutes", ("m", "step")),
        ("videovisual_cancelled_total", ("m",)),
        ("videovisual_refused_total", ("m", "jobs")),
        ("videovisual_steps_total", ("m", "cuda1", "gradient")),
        ("videovisual_step_clips_total", ("m", "cuda1", "gradient")),
        ("videovisual_step_seconds_total", ("m", "cuda1", "gradient")),
    }
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [line["event"] for line in lines] == ["answered"] * 3 + ["refused"]
    assert {line["request"] for line in lines} == {"7"}


def exported() -> set[str]:
    """The series that the metrics address shows."""
    series = set()
    for metric in METRICS:
        suffixes = ("_bucket", "_sum", "_count") if metric.form is Form.HISTOGRAM else ("",)
        series |= {metric.name + suffix for suffix in suffixes}
    return series


def test_every_metric_of_the_dashboard_is_exported_and_every_metric_is_shown() -> None:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    used = {name for query in asked for name in re.findall(r"videovisual_\w+", query)}
    assert used <= exported()
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in used}
    assert shown == {metric.name for metric in METRICS}
    labels = {label for query in asked for label in re.findall(r"(\w+)=~?\"", query)}
    assert labels <= {label for metric in METRICS for label in metric.labels}
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)


def test_names_are_those_of_prometheus() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"videovisual_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.form is Form.COUNTER)
    assert REQUESTS.labels == ("model", "method", "status")
