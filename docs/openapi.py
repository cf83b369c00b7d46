"""Generates `openapi.yaml` beside this file from protocol, errors and methods: `make docs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docs.schemas import Schema, options, ref, schemas

from videovisual import errors
from videovisual.attribution.catalogue import DEFAULT
from videovisual.errors import VideoVisualError
from videovisual.protocol import Output
from videovisual.server.reply import NDJSON
from videovisual.version import __version__

PAGE = Path(__file__).with_suffix(".yaml")

HEAD = "# Written by docs/openapi.py from the protocol. Don't edit it: run `make docs`.\n"

HEADER = "X-VideoVisual-"
JOB_HEADER = f"{HEADER}Job"

ABOUT = """\
Classifies video clips and explains the classifications: which part of a clip, in space and time,
made the score. docs/api.md describes the same interface in prose, docs/methods.md the methods.

TorchServe serves these routes. Its own errors have another shape, `TorchServeError`; a body over
its `max_request_size` is answered with 413 and an empty body.
"""

LATE = (
    "the answer. An answer that takes longer than two seconds begins with this status; if it fails "
    "after that, the body is an `error`, whatever the content type is."
)

UNREACHABLE = (
    errors.UnknownModel,
    errors.WeightsError,
    errors.DownloadError,
    errors.InvalidEvidence,
    errors.MissingFile,
    errors.NetworkSettingsError,
    errors.WriteError,
)
"""Errors that only occur without a server: no request is answered with one."""

TORCHSERVE = {
    400: "TorchServe's `InvalidKeyException`: the token is missing, wrong or expired",
    403: "TorchServe's `IllegalArgumentException`: a control character in the path",
    404: "TorchServe's `ModelNotFoundException`: the model is not served",
    413: "TorchServe's own, with an empty body: the body is over its `max_request_size`",
    500: "TorchServe's `InternalServerException`: the worker died and is restarted; its "
    "`ErrorDataDecoderException`: an invalid form, e.g. a part without a name",
    503: "TorchServe's `ServiceUnavailableException`: its queue is full, or no worker is ready",
}

ROUTES = {
    "/predictions/{model}": (
        "predict",
        "Classify a clip, and explain the classification if a `method` is given",
    ),
    "/explanations/{model}": (
        "explain",
        f"Explain a classification, with `{DEFAULT}` unless a `method` is given",
    ),
    "/explanations/{model}/1.0/{method}": (
        "explainWith",
        "Explain a classification, with the method in the path",
    ),
}

KSERVE_ROUTES = {
    "/v1/models/{model}:predict": ("kservePredict", "KServe v1: like `/predictions/{model}`"),
    "/v1/models/{model}:explain": ("kserveExplain", "KServe v1: like `/explanations/{model}`"),
}


def page() -> str:
    """The document as YAML."""
    return HEAD + yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )


def document() -> Schema:
    """The document as an OpenAPI 3.1 mapping."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VideoVisual",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "security": [{"inferenceKey": []}],
        "paths": {
            **{path: _route(path, *texts, kserve=False) for path, texts in ROUTES.items()},
            **{path: _route(path, *texts, kserve=True) for path, texts in KSERVE_ROUTES.items()},
        },
        "components": {
            "securitySchemes": {
                "inferenceKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "the inference key of TorchServe's `key_file.json`",
                }
            },
            "parameters": dict(_headers()),
            "responses": dict(_failures()),
            "schemas": schemas(),
        },
    }


def _route(path: str, name: str, summary: str, *, kserve: bool) -> Schema:
    answer = "KServeAnswers" if kserve else "Answers"
    bodies = {"application/json": {"schema": ref("KServeRequest" if kserve else "JsonRequest")}}
    if not kserve:
        bodies |= {
            "multipart/form-data": {"schema": ref("Form")},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "video/*": {"schema": {"type": "string", "format": "binary"}},
        }
    return {
        "parameters": list(_in_path(path))
        + [{"$ref": f"#/components/parameters/{option}"} for option, _ in _headers()],
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": {"required": True, "content": bodies},
            "responses": {
                "200": {
                    "description": LATE,
                    "headers": {JOB_HEADER: _job_header()},
                    "content": dict(_answers(answer)),
                },
                **{
                    status: {"$ref": f"#/components/responses/{status}"}
                    for status, _ in _failures()
                },
            },
        },
    }


def _in_path(path: str) -> Iterator[Schema]:
    parameters = {
        "model": ({"type": "string", "examples": ["i3d-kinetics400"]}, "a served model's name"),
        "method": (
            {"type": "string", "pattern": r"^[A-Za-z0-9_*-]+$", "examples": [DEFAULT]},
            "a method's name",
        ),
    }
    for name, (schema, description) in parameters.items():
        if f"{{{name}}}" in path:
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": description,
                "schema": schema,
            }


def _headers() -> Iterator[tuple[str, Schema]]:
    for name in options():
        yield (
            name,
            {
                "name": header(name),
                "in": "header",
                "description": "for a raw body; a form field or JSON member takes precedence",
                "schema": {"$ref": f"#/components/schemas/Form/properties/{name}"},
            },
        )


def header(option: str) -> str:
    """The header of an option, for requests with a raw body."""
    return HEADER + "-".join(word.title() for word in option.split("_"))


def _answers(schema: str) -> Iterator[tuple[str, Schema]]:
    for output in Output:
        binary = {
            "type": "string",
            "format": "binary",
            "description": f"with `output={output.value}`",
        }
        yield output.content_type, {"schema": ref(schema) if output is Output.JSON else binary}
    yield (
        NDJSON,
        {
            "schema": {
                "type": "string",
                "description": "with `stream=true`: each line is an `Event`",
            }
        },
    )


def _failures() -> Iterator[tuple[str, Schema]]:
    kinds = [kind for kind in _tree(VideoVisualError) if kind not in UNREACHABLE]
    for status in sorted({kind.status for kind in kinds} | TORCHSERVE.keys()):
        own = [kind for kind in kinds if kind.status == status]
        meanings = [f"`{kind.code}`: {_meaning(kind)}" for kind in own]
        shapes = [_failure([kind.code for kind in own])] if own else []
        if status in TORCHSERVE:
            meanings.append(TORCHSERVE[status])
            shapes.append(ref("TorchServeError"))
        response: Schema = {
            "description": "; ".join(meanings),
            "content": {
                "application/json": {"schema": shapes[0] if len(shapes) == 1 else {"anyOf": shapes}}
            },
        }
        if status == errors.Overloaded.status:
            response["headers"] = {
                "Retry-After": {
                    "description": "seconds; with `overloaded`",
                    "schema": {"type": "integer", "minimum": 0},
                }
            }
        yield str(status), response


def _failure(codes: list[str]) -> Schema:
    """An error of one of these codes."""
    code = {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    return {"allOf": [ref("Failure"), code]}


def _tree(root: type[VideoVisualError]) -> Iterator[type[VideoVisualError]]:
    """The server's errors; a client's subclass the same root once it is imported."""
    yield root
    for branch in root.__subclasses__():
        if branch.__module__ == VideoVisualError.__module__:
            yield from _tree(branch)


def _job_header() -> Schema:
    return {"description": "the request's id, for cancelling", "schema": {"type": "string"}}


def _meaning(kind: type[VideoVisualError]) -> str:
    if kind is VideoVisualError:
        return "a fault in the server; see its log"
    text = (kind.__doc__ or "").splitlines()[0].rstrip(".")
    return text[0].lower() + text[1:]


class _Dumper(yaml.SafeDumper):
    """Writes multi-line text as a block, and never uses aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
