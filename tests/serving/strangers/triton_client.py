"""Triton's own client: python triton_client.py URL KEY MODEL CLIP [asks].

`asks` for readiness and metadata too, of a version, and in JSON of many values.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException

URL, KEY, MODEL, CLIP, *ASKS = sys.argv[1:]
HEADERS = {"Authorization": f"Bearer {KEY}"}
FILE = Path(CLIP).read_bytes()
FRAMES = np.load(io.BytesIO(FILE))["frames"]
OUTPUTS = ("logits", "scores", "labels", "saliency")

client = InferenceServerClient(urlsplit(URL).netloc, network_timeout=120)


def infer(tensor: InferInput, *outputs: InferRequestedOutput) -> InferResult:
    return client.infer(
        MODEL,
        [tensor],
        model_version="1.0" if ASKS else "",
        outputs=list(outputs) or None,
        request_id="seven",
        headers=dict(HEADERS),
        parameters={"method": "gradient"},
    )


def given(name: str, values: np.ndarray, datatype: str, *, binary: bool) -> InferInput:
    tensor = InferInput(name, list(values.shape), datatype)
    return tensor.set_data_from_numpy(values, binary_data=binary)


def as_json(name: str) -> InferRequestedOutput:
    return InferRequestedOutput(name, binary_data=False)


# Its defaults: binary tensors both ways.
default = infer(given("video", np.array([FILE], np.object_), "BYTES", binary=True))
assert default.get_response()["id"] == "seven"
encoded = np.array([base64.b64encode(FILE)], np.object_)
answers = {
    "JSON": infer(given("video", encoded, "BYTES", binary=False), *map(as_json, OUTPUTS)),
    "frames": infer(given("clip", FRAMES, "UINT8", binary=True)),
    "FP32": infer(given("clip", (FRAMES / 255).astype(np.float32), "FP32", binary=True)),
    "mixed": infer(
        given("clip", FRAMES, "UINT8", binary=True),
        *(InferRequestedOutput(name, binary_data=name == "saliency") for name in OUTPUTS),
    ),
}
if ASKS:
    answers["frames in JSON"] = infer(given("clip", FRAMES, "UINT8", binary=False))
for answer in answers.values():
    for name in ("logits", "scores", "saliency"):
        np.testing.assert_array_equal(answer.as_numpy(name), default.as_numpy(name))
    found = [
        each.decode() if isinstance(each, bytes) else each for each in answer.as_numpy("labels")
    ]
    assert found == [each.decode() for each in default.as_numpy("labels")]
whole = infer(given("clip", FRAMES, "UINT8", binary=True), InferRequestedOutput("answer"))

errors = {}
for case, tensor, outputs in (
    ("output", given("clip", FRAMES, "UINT8", binary=True), [InferRequestedOutput("boxes")]),
    ("input", given("image", FRAMES, "UINT8", binary=True), []),
    ("datatype", given("clip", FRAMES.astype(np.int64), "INT64", binary=True), []),
):
    try:
        infer(tensor, *outputs)
    except InferenceServerException as error:
        errors[case] = [error.status(), error.message()]

found = {
    "label": default.as_numpy("labels")[default.as_numpy("logits").argmax()].decode(),
    "answered": json.loads(whole.as_numpy("answer")[0])["predictions"][0]["label"],
    "shape": list(default.as_numpy("saliency").shape),
    "errors": errors,
}
if ASKS:
    metadata = client.get_model_metadata(MODEL, headers=HEADERS)
    found |= {
        "live": client.is_server_live(),
        "server ready": client.is_server_ready(),
        "ready": client.is_model_ready(MODEL, headers=HEADERS),
        "version ready": client.is_model_ready(MODEL, "1.0", headers=HEADERS),
        "nobody ready": client.is_model_ready("nobody", headers=HEADERS),
        "server": client.get_server_metadata(headers=HEADERS)["name"],
        "metadata": [each["name"] for each in metadata["outputs"]],
    }
client.close()
print(json.dumps(found))
