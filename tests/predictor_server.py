"""A predictor that speaks v1 and v2 of the open inference protocol, in a process of its own.

`python -m tests.predictor_server` prints its address. The scores are the mean of each colour; the
model's name says what is the matter with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

SHAPE = (3, 4, 6, 8)
LABELS = ["red", "green", "blue"]
CARD = {"labels": LABELS, "input": {"frames": 4, "size": [6, 8]}}
LENGTH = "inference-header-content-length"
INPUTS = {
    "fixed": ("FP32", [4, *SHAPE]),
    "bytes": ("UINT8", [-1, 4, 6, 8, 3]),
    "half": ("FP16", [-1, 4, *SHAPE[:1], *SHAPE[2:]]),
    "flat": ("FP32", [-1, 576]),
    "loose": ("FP32", [-1, -1, -1, -1, -1]),
}
TYPES = {"FP32": np.float32, "FP16": np.float16, "UINT8": np.uint8}

calls: dict[str, int] = defaultdict(int)
sizes: dict[str, list[int]] = defaultdict(list)
running: dict[str, int] = defaultdict(int)
most: dict[str, int] = defaultdict(int)
hanging: dict[str, int] = defaultdict(int)


def colours(clips: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The mean of each colour as a logit, whichever axis has three."""
    axis = [place for place in range(1, 5) if clips.shape[place] == 3][-1]
    rest = tuple(place for place in range(1, 5) if place != axis)
    return 5 * clips.astype(np.float64).mean(axis=rest) / (255 if clips.dtype == np.uint8 else 1)


async def answer(model: str, clips: np.ndarray[Any, Any]) -> Response | np.ndarray[Any, Any]:
    """The scores, or what goes wrong."""
    calls[model] += 1
    sizes[model].append(len(clips))
    running[model] += 1
    most[model] = max(most[model], running[model])
    try:
        if model == "slow":
            await asyncio.sleep(0.05)
        if model == "hung" or (model == "stalls" and calls[model] > 12):
            hanging[model] += 1
            await asyncio.sleep(3600)
        scores = colours(clips)
        if model == "busy" or (model in ("flaky", "warming") and calls[model] % 3):
            return PlainTextResponse("busy", 503, headers={"Retry-After": "0"})
        if model == "small" and len(clips) > 2:
            return PlainTextResponse("too large", 413)
        if model == "none":
            return PlainTextResponse("out of memory", 500)
        if model == "text":
            return PlainTextResponse("[1, 2")
        if model == "nan":
            scores[-1, 0] = np.nan
        rows = len(scores) - (model == "short")
        return scores[:rows, : 2 if model == "changed" and calls[model] > 3 else 3]
    finally:
        running[model] -= 1


async def v1(request: Request) -> Response:
    model = request.path_params["model"]
    if model == "torn" and (calls["torn"] + 1) % 2:
        calls["torn"] += 1
        return Response(b"{", headers={"Content-Length": "1000"})
    found = await answer(model, np.array((await request.json())["instances"], np.float32))
    if isinstance(found, Response):
        return found
    rows: list[Any] = found.tolist()
    if model == "named":
        rows = [{"scores": row, "label": "red"} for row in rows]
    if model == "words":
        rows = ["red"] * len(rows)
    return Response(json.dumps({"predictions": rows}), media_type="application/json")


async def metadata(request: Request) -> Response:
    model = request.path_params["model"]
    if model == "absent":
        return JSONResponse({"error": "no such model"}, 404)
    if model == "warming":
        calls["metadata"] += 1
        if calls["metadata"] % 3:
            return JSONResponse({"error": "not loaded yet"}, 400)
    datatype, shape = INPUTS.get(model, ("FP32", [-1, *SHAPE]))
    about: dict[str, Any] = {
        "name": model,
        "inputs": [{"name": "clips", "datatype": datatype, "shape": shape}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}],
    }
    if model == "described":
        about["parameters"] = CARD
    return JSONResponse(about)


async def v2(request: Request) -> Response:
    model = request.path_params["model"]
    body = await request.body()
    head = int(request.headers.get(LENGTH, len(body)))
    given = json.loads(body[:head])
    (tensor,) = given["inputs"]
    dtype = TYPES[tensor["datatype"]]
    binary = LENGTH in request.headers
    if binary:
        assert tensor["parameters"]["binary_data_size"] == len(body) - head
        values = np.frombuffer(body[head:], dtype)
    else:
        values = np.array(tensor["data"], dtype)
    found = await answer(model, values.reshape(tensor["shape"]))
    if isinstance(found, Response):
        return found
    scores = np.ascontiguousarray(found, "<f4")
    words = {"name": "words", "datatype": "BYTES", "shape": [1], "data": ["red"]}
    out: dict[str, Any] = {"name": "scores", "datatype": "FP32", "shape": list(scores.shape)}
    if not binary:
        out["data"] = scores.ravel().tolist()
        return Response(json.dumps({"outputs": [out, words]}), media_type="application/json")
    out["parameters"] = {"binary_data_size": scores.nbytes + (4 if model == "cut" else 0)}
    text = json.dumps({"outputs": [words, out]}).encode()
    return Response(text + scores.tobytes(), headers={LENGTH: str(len(text))})


async def stats(request: Request) -> Response:
    """What was asked of a model since the last look."""
    model = request.path_params["model"]
    told = {"sizes": sizes.pop(model, []), "most": most.pop(model, 0), "hanging": hanging[model]}
    if model != "stalls":
        calls.pop(model, None)
    return JSONResponse(told)


ROUTES = [
    Route("/v2", lambda _: JSONResponse({"name": "small", "extensions": ["binary_tensor_data"]})),
    Route("/v2/models/{model}", metadata),
    Route("/v2/models/{model}/infer", v2, methods=["POST"]),
    Route("/v1/models/{model}:predict", v1, methods=["POST"]),
    Route("/stats/{model}", stats),
]


class Predictor:
    """The process, and its address."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.host = url.removeprefix("http://")

    def stop(self) -> None:
        """End it at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def predictor(port: int = 0) -> Iterator[Predictor]:
    """A predictor that is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.predictor_server", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        yield Predictor(process, process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets is not None
        print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}")


if __name__ == "__main__":
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", int(sys.argv[1])))
    config = uvicorn.Config(Starlette(routes=ROUTES), log_level="error", access_log=False)
    _Server(config).run(sockets=[bound])
