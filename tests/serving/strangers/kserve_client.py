"""KServe's own client: python kserve_client.py URL KEY MODEL CLIP [asks].

`asks` for readiness too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

URL, KEY, MODEL, CLIP, *ASKS = sys.argv[1:]
HEADERS = {"Authorization": f"Bearer {KEY}"}
FILE = Path(CLIP).read_bytes()
ENCODED = base64.b64encode(FILE).decode()


async def version_1() -> dict[str, object]:
    client = InferenceRESTClient(RESTConfig(protocol="v1", timeout=120))
    data = {"instances": [{"b64": ENCODED}], "parameters": {"method": "gradient"}}
    predicted = await client.infer(URL, data, model_name=MODEL, headers=HEADERS)
    explained = await client.explain(URL, model_name=MODEL, data=data, headers=HEADERS)
    ((explanation,),) = explained["explanations"]
    found = {
        "label": predicted["predictions"][0]["predictions"][0]["label"],
        "explained": explained["predictions"][0]["predictions"][0]["label"],
        "shape": explanation["map"]["shape"],
    }
    if ASKS:
        found["live"] = await client.is_server_live(URL, headers=HEADERS)
        found["ready"] = await client.is_model_ready(URL, MODEL, headers=HEADERS)
    return found


async def version_2() -> dict[str, object]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=120))

    async def infer(tensor: InferInput, *wanted: RequestedOutput) -> dict[str, np.ndarray]:
        request = InferRequest(
            model_name=MODEL,
            infer_inputs=[tensor],
            request_id="seven",
            parameters={"method": "gradient"},
            request_outputs=list(wanted) or None,
        )
        answer = await client.infer(URL, request, model_name=MODEL, headers=dict(HEADERS))
        assert (answer.id, answer.model_name) == ("seven", MODEL)
        return {output.name: output.as_numpy() for output in answer.outputs}

    in_json = await infer(InferInput("video", [1], "BYTES", data=[ENCODED]))
    binary = InferInput("video", [1], "BYTES")
    binary.set_data_from_numpy(np.array([FILE], dtype=np.object_), binary_data=True)
    names = ("logits", "labels", "saliency", "answer")
    in_bytes = await infer(
        binary, *(RequestedOutput(name, {"binary_data": True}) for name in names)
    )
    for name in ("logits", "saliency"):
        np.testing.assert_array_equal(in_json[name], in_bytes[name])
    assert list(in_json["labels"]) == list(in_bytes["labels"])
    answer = json.loads(in_bytes["answer"][0])
    try:
        await infer(InferInput("video", [1], "INT64", data=[7]))
        error = ""
    except httpx.HTTPStatusError as failed:
        error = str(failed)
    found = {
        "label": str(in_json["labels"][in_json["logits"].argmax()]),
        "answered": answer["predictions"][0]["label"],
        "shape": list(in_json["saliency"].shape),
        "error": error,
    }
    if ASKS:
        found["live"] = await client.is_server_live(URL, headers=HEADERS)
        found["server ready"] = await client.is_server_ready(URL, headers=HEADERS)
        found["ready"] = await client.is_model_ready(URL, MODEL, headers=HEADERS)
        found["nobody ready"] = await client.is_model_ready(URL, "nobody", headers=HEADERS)
    return found


async def both() -> dict[str, object]:
    return {"v1": await version_1(), "v2": await version_2()}


print(json.dumps(asyncio.run(both())))
