"""What classifications feel of explanations, and what HTTP and the handler cost."""

from __future__ import annotations

import json
import threading
import time

import torch

from benchmarks.load.endpoint import Endpoint, busy, eventually
from benchmarks.row import Row, milliseconds, quantile
from videovisual import clips, zoo
from videovisual.api import classify

CLIENTS = 8


def classification_under_load(
    ours: Endpoint, plain: Endpoint, clip: bytes, *, samples: int, iterations: int
) -> Row:
    """Classifications alone, and while 8 clients ask for one STEP map after another."""
    figures = {}
    ratios = {}
    for name, endpoint, loaded_samples in (
        ("ours", ours, samples),
        ("plain", plain, max(3, samples // 25)),
    ):
        asking: list[int] = []

        def explain(
            over: threading.Event, endpoint: Endpoint = endpoint, asking: list[int] = asking
        ) -> None:
            asking.append(threading.get_ident())
            while not over.is_set():
                endpoint.ask(clip, method="step", iterations=iterations).raise_for_status()

        for _ in range(3):
            endpoint.classify(clip)
        idle = [endpoint.classify(clip) for _ in range(samples)]
        with busy(endpoint, CLIENTS, explain):
            if name == "ours":
                eventually(lambda: ours.level("running") == CLIENTS, 60)
            else:
                # A plain handler doesn't tell how many wait for it.
                eventually(lambda asking=asking: len(asking) == CLIENTS, 60)  # type: ignore[misc]
            loaded = [endpoint.classify(clip) for _ in range(loaded_samples)]
        ratios[name] = quantile(loaded, 0.95) / quantile(idle, 0.95)
        figures[name] = {"idle": milliseconds(idle), "loaded": milliseconds(loaded)}
    mine = figures["ours"]
    return Row(
        f"{ours.model}: classification p95 while 8 STEP jobs run, over p95 idle",
        "≤ 2.0",
        f"{ratios['ours']:.2f} ({mine['loaded']['p95_ms']} over {mine['idle']['p95_ms']} ms); "
        f"plain handler {ratios['plain']:.0f}",
        ratios["ours"] <= 2.0,
        {"ratios": ratios, "iterations": iterations, **figures},
    )


def overhead(endpoint: Endpoint, clip: bytes, *, samples: int) -> Row:
    """The same classification over HTTP and in this process, by turns; both decode the clip, and
    run the network by as many threads."""
    classifier = zoo.load(endpoint.model)
    asked = endpoint.ask(clip, method="gradient")
    torch.set_num_threads(asked.json()["explanations"][0]["provenance"]["threads"])
    there: list[float] = []
    here: list[float] = []
    decoding: list[float] = []
    for number in range(samples + 3):
        seconds = endpoint.classify(clip)
        began = time.perf_counter()
        answer = classify(classifier, clips.open_bytes(clip))
        json.dumps(answer.model_dump(mode="json")).encode()
        in_process = time.perf_counter() - began
        began = time.perf_counter()
        spec = classifier.card.input
        plan = clips.Sampling(frames=spec.frames, fps=spec.fps, min_frames=spec.min_frames)
        clips.sample(clips.open_bytes(clip), plan)
        if number >= 3:
            there.append(seconds)
            here.append(in_process)
            decoding.append(time.perf_counter() - began)
    more = (quantile(there, 0.5) - quantile(here, 0.5)) * 1e3
    decoded = quantile(decoding, 0.5) * 1e3
    return Row(
        f"HTTP and handler over the same call in process, p50, {len(clip) // 1000} KB clip",
        "≤ 12 ms",
        f"{more:.1f} ms (decoding, {decoded:.1f} ms, is in both and not counted)",
        more <= 12,
        {"http": milliseconds(there), "in_process": milliseconds(here)}
        | {"decoding": milliseconds(decoding)},
    )
