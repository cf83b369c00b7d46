"""The open inference protocol in the OpenAPI document: its routes, and their shapes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from videovisual import errors
from videovisual.server.inference_protocol import outputs, tensors, v2, wire
from videovisual.server.reply import JSON

Schema = dict[str, Any]

ANSWERED = (
    *(wire.InferResponse, wire.InferFailure, wire.ServerMetadata, wire.ModelMetadata),
    *(wire.ServerReady, wire.ModelReady, wire.ModelList, wire.Alive),
)
"""The shapes of answers."""

MODEL = "/v2/models/{model}"
VERSION = f"{MODEL}/versions/{{version}}"
INFER = ("infer", "Classify a clip, and explain the classification if a `method` is given")
VERSIONED = ("inferVersion", "The same, of the version in the path")

TOLD: Mapping[str, tuple[str, str, type[BaseModel]]] = {
    "/": ("alive", "Version 1's sign of life", wire.Alive),
    "/v1/models": ("listV1", "The names of all models", wire.ModelList),
    "/v1/models/{model}": ("readyV1", "Whether a model is ready", wire.ModelReady),
    "/v2": ("server", "The server and its extensions", wire.ServerMetadata),
    "/v2/health/live": ("live", "Version 2's sign of life", wire.ServerReady),
    "/v2/health/ready": ("ready", "Whether all models are ready", wire.ServerReady),
    MODEL: ("modelMetadata", "A model's inputs and outputs", wire.ModelMetadata),
    VERSION: ("versionMetadata", "The same, of a version", wire.ModelMetadata),
    f"{MODEL}/ready": ("modelReady", "Whether a model is ready", wire.ModelReady),
    f"{VERSION}/ready": ("versionReady", "The same, of a version", wire.ModelReady),
}
"""What ASGI servers tell: operation, summary and shape by path."""

OPEN = ("/", "/v2/health/live", "/v2/health/ready")

PATH: Mapping[str, tuple[str, str]] = {
    "model": ("i3d-kinetics400", "a served model's name"),
    "version": ("1.0", "1.0, the version of every model"),
}

BINARY: Schema = {"schema": {"type": "string", "format": "binary"}}

NOT_OPTIONS = ("stream", "output", "job")
"""The options that this protocol has not."""


def paths(
    options: Iterable[Schema], statuses: Iterable[str], others: Mapping[str, Schema], *, asgi: bool
) -> dict[str, Schema]:
    """The routes.

    Args:
        options: parameters in header or query, for `infer`.
        statuses: of errors.
        others: what requests to `/predictions` are answered, by media type: TorchServe doesn't tell
            the routes apart, so requests without tensors are answered in this way.
        asgi: whether an ASGI server is described; else TorchServe, which has one of the routes.
    """
    failures = {status: {"$ref": "#/components/responses/InferFailure"} for status in statuses}
    infer = {f"{MODEL}/infer": INFER}
    if asgi:
        infer |= {f"{VERSION}/infer": VERSIONED}
    answers = _answers({} if asgi else others)
    given = list(options)
    found = {path: _infer(path, *texts, given, answers, failures) for path, texts in infer.items()}
    if not asgi:
        return found
    return found | {path: _told(path, *about) for path, about in TOLD.items()}


def responses(*, asgi: bool) -> dict[str, Schema]:
    """The responses of requests that failed, whatever their status."""
    of_infer = ["InferFailure"] if asgi else ["InferFailure", "Failure", "TorchServeError"]
    shapes = {"InferFailure": of_infer} | ({"Refused": ["Failure"]} if asgi else {})
    return {
        name: {
            "description": "an error; `code` is that of the same error of other routes",
            "content": {JSON: {"schema": {"anyOf": [_ref(one) for one in several]}}},
        }
        for name, several in shapes.items()
    }


def request(option_names: Iterable[str]) -> Schema:
    """The JSON of a request."""
    schema = wire.InferRequest.model_json_schema()["properties"]
    allowed = {name: _ref(f"Form/properties/{name}") for name in option_names}
    parameters = {name: shape for name, shape in allowed.items() if name not in NOT_OPTIONS}
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "maxLength": 1000, "description": schema["id"]["description"]},
            "inputs": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": {"anyOf": [_video(), _clip()]},
            },
            "outputs": {
                "type": "array",
                "description": schema["outputs"]["description"],
                "items": _output(),
            },
            "parameters": {
                "type": "object",
                "description": schema["parameters"]["description"],
                "properties": {v2.BINARY_OUTPUT: {"type": "boolean"}, **parameters},
                "additionalProperties": False,
            },
        },
        "required": ["inputs"],
        "additionalProperties": False,
    }


def _video() -> Schema:
    encoded = {"type": "string", "format": "byte", "contentEncoding": "base64"}
    data = {"type": "array", "items": encoded, "minItems": 1, "maxItems": 1}
    return _tensor(tensors.VIDEO, {"const": [1]}, data, "the clip's file")


def _clip() -> Schema:
    length = {"type": "integer", "minimum": 1, "maximum": wire.MAX_LENGTH}
    shape = {
        "type": "array",
        "prefixItems": [length, length, length, {"const": 3}],
        "items": False,
        "minItems": 4,
        "maxItems": 4,
    }
    data = {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 255}}
    return _tensor(tensors.CLIP, shape, data, "frames, RGB: 0 to 255, or FP32 from 0 to 1")


def _tensor(name: str, shape: Schema, data: Schema, description: str) -> Schema:
    size = {"type": "integer", "minimum": 0, "description": "bytes after the JSON"}
    return {
        "type": "object",
        "description": f"{description}; `data` is left out if the values come after the JSON",
        "properties": {
            "name": {"const": name},
            "shape": shape,
            "datatype": {"enum": list(tensors.DATATYPES[name])},
            "parameters": {
                "type": "object",
                "properties": {tensors.SIZE: size},
                "additionalProperties": False,
            },
            "data": data,
        },
        "required": ["name", "shape", "datatype"],
        "additionalProperties": False,
    }


def _output() -> Schema:
    names = (outputs.LOGITS, outputs.SCORES, outputs.LABELS, outputs.ANSWER)
    name = f"^({'|'.join(names)}|{outputs.SALIENCY}(_[0-9]+)?)$"
    binary = {"type": "boolean", "description": "whether its values come after the JSON"}
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": name},
            "parameters": {
                "type": "object",
                "properties": {"binary_data": binary},
                "additionalProperties": False,
            },
        },
        "required": ["name"],
        "additionalProperties": False,
    }


def _answers(others: Mapping[str, Schema]) -> dict[str, Schema]:
    shapes = [_ref("InferResponse")] + ([others[JSON]["schema"]] if others else [])
    return {**others, JSON: {"schema": {"anyOf": shapes}}, v2.BINARY: BINARY}


def _infer(
    path: str,
    name: str,
    summary: str,
    options: list[Schema],
    answers: Mapping[str, Schema],
    failures: Mapping[str, Schema],
) -> Schema:
    length = {
        "description": "bytes of the JSON, if values come after it",
        "schema": {"type": "integer", "minimum": 1},
    }
    header = "Inference-Header-Content-Length"
    return {
        "parameters": [*_in_path(path), {"name": header, "in": "header", **length}, *options],
        "post": {
            "operationId": name,
            "summary": f"Open inference protocol v2: {summary[0].lower()}{summary[1:]}",
            "requestBody": {
                "required": True,
                "content": {JSON: {"schema": _ref("InferRequest")}, v2.BINARY: BINARY},
            },
            "responses": {
                "200": {
                    "description": "the answer",
                    "headers": {header: length},
                    "content": answers,
                },
                **failures,
            },
        },
    }


def _told(path: str, name: str, summary: str, shape: type[BaseModel]) -> Schema:
    content = {JSON: {"schema": _ref(shape.__name__)}}
    failures = [] if path in OPEN else [errors.AuthenticationFailed.status]
    if "{model}" in path:
        failures.append(errors.UnknownModel.status)
    shaped = "InferFailure" if path.startswith("/v2") else "Refused"
    operation: Schema = {
        "operationId": name,
        "summary": f"Open inference protocol: {summary[0].lower()}{summary[1:]}",
        "responses": {
            "200": {"description": "the answer", "content": content},
            **{str(each): {"$ref": f"#/components/responses/{shaped}"} for each in failures},
        },
    }
    if "ready" in shape.model_fields and not path.endswith("/live"):
        operation["responses"]["503"] = {"description": "not ready", "content": content}
    if path in OPEN:
        operation["security"] = []
    return {"parameters": list(_in_path(path)), "get": operation}


def _in_path(path: str) -> Iterator[Schema]:
    for name, (example, description) in PATH.items():
        if f"{{{name}}}" in path:
            schema = {"type": "string", "examples": [example]}
            where = {"name": name, "in": "path", "required": True}
            yield {**where, "description": description, "schema": schema}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
