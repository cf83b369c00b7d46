"""The HTTP interface as an OpenAPI 3.1 document, made of protocol, errors and methods."""

from collections.abc import Iterator

from videovisual import errors
from videovisual.attribution.catalogue import DEFAULT, DEFAULT_BY_SCORES
from videovisual.errors import VideoVisualError
from videovisual.protocol import Output
from videovisual.server.asgi import inference_document
from videovisual.server.asgi.job_paths import job_paths
from videovisual.server.asgi.schemas import Schema, options, ref, schemas
from videovisual.server.reply import JOB_HEADER, NDJSON
from videovisual.version import __version__

HEADER = "X-VideoVisual-"

ABOUT = """\
Classifies video clips and explains the classifications: which part of a clip, in space and time,
made the score. docs/api.md describes the same interface in prose, docs/methods.md the methods.
"""

ABOUT_TORCHSERVE = """
TorchServe serves these routes. Its own errors have another shape, `TorchServeError`; a body over
its `max_request_size` is answered with 413 and an empty body.
"""

LATE = (
    "the answer. An answer that takes longer than two seconds begins with this status; if it fails "
    "after that, the body is an `error`, whatever the content type is."
)

UNREACHABLE = (
    errors.WeightsError,
    errors.DownloadError,
    errors.InvalidEvidence,
    errors.MissingFile,
    errors.NetworkSettingsError,
    errors.WriteError,
)
"""Errors that only occur without a server: no request is answered with one."""

ONLY_ASGI = (
    errors.UnknownModel,
    errors.AuthenticationFailed,
    errors.UploadStalled,
    errors.PredictorError,
    errors.PredictorUnreachable,
    errors.PredictorTimeout,
)

BESIDE = "for a raw body; a form field or JSON member takes precedence"

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
        f"Explain a classification, with `{DEFAULT}` unless a `method` is given, or with "
        f"`{DEFAULT_BY_SCORES}` where the model is known by its scores alone",
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


def document(*, asgi: bool = False) -> Schema:
    """The document as a mapping.

    Args:
        asgi: whether an ASGI server is described; else TorchServe.
    """
    routes = {path: (texts, False) for path, texts in ROUTES.items()} | {
        path: (texts, True) for path, texts in KSERVE_ROUTES.items()
    }
    failures = dict(_failures(asgi=asgi))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VideoVisual",
            "version": __version__,
            "description": ABOUT if asgi else ABOUT + ABOUT_TORCHSERVE,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "security": [{"inferenceKey": []}],
        "paths": {
            path: _route(path, *texts, kserve=kserve, asgi=asgi)
            for path, (texts, kserve) in routes.items()
        }
        | (job_paths() if asgi else {})
        | inference_document.paths(
            _references(asgi=asgi), failures, dict(_answers("Answers")), asgi=asgi
        ),
        "components": {
            "securitySchemes": {
                "inferenceKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "the inference key of TorchServe's `key_file.json`",
                }
            },
            "parameters": dict(_options(asgi=asgi)),
            "responses": failures | inference_document.responses(asgi=asgi),
            "schemas": schemas(),
        },
    }


def _route(path: str, name: str, summary: str, *, kserve: bool, asgi: bool) -> Schema:
    answer = "KServeAnswers" if kserve else "Answers"
    bodies = {"application/json": {"schema": ref("KServeRequest" if kserve else "JsonRequest")}}
    if not kserve:
        bodies |= {
            "multipart/form-data": {"schema": ref("Form")},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "video/*": {"schema": {"type": "string", "format": "binary"}},
        }
    return {
        "parameters": [*_in_path(path), *_references(asgi=asgi)],
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": {"required": True, "content": bodies},
            "responses": {
                "200": {
                    "description": "the answer" if asgi else LATE,
                    "headers": {JOB_HEADER: _job_header()},
                    "content": dict(_answers(answer)),
                },
                "202": {
                    "description": "with `job=true`: the job that has begun",
                    "headers": {JOB_HEADER: _job_header()} | (_location() if asgi else {}),
                    "content": {"application/json": {"schema": ref("JobState")}},
                },
                **{
                    status: {"$ref": f"#/components/responses/{status}"}
                    for status, _ in _failures(asgi=asgi)
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


def _options(*, asgi: bool) -> Iterator[tuple[str, Schema]]:
    for name in options():
        schema = {"$ref": f"#/components/schemas/Form/properties/{name}"}
        if asgi:
            yield (
                f"{name}.query",
                {"name": name, "in": "query", "description": BESIDE, "schema": schema},
            )
        yield (
            name,
            {"name": header(name), "in": "header", "description": BESIDE, "schema": schema},
        )


def _references(*, asgi: bool) -> list[Schema]:
    return [{"$ref": f"#/components/parameters/{option}"} for option, _ in _options(asgi=asgi)]


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


def _failures(*, asgi: bool) -> Iterator[tuple[str, Schema]]:
    left_out = {*UNREACHABLE} if asgi else {*UNREACHABLE, *ONLY_ASGI}
    torchserve = {} if asgi else TORCHSERVE
    kinds = [kind for kind in _tree(VideoVisualError) if kind not in left_out]
    for status in sorted({kind.status for kind in kinds} | torchserve.keys()):
        own = [kind for kind in kinds if kind.status == status]
        meanings = [f"`{kind.code}`: {_meaning(kind)}" for kind in own]
        shapes = [_failure([kind.code for kind in own])] if own else []
        if status in torchserve:
            meanings.append(torchserve[status])
            shapes.append(ref("TorchServeError"))
        response = _response("; ".join(meanings), shapes)
        if status == errors.Overloaded.status:
            response["headers"] = {
                "Retry-After": {
                    "description": "seconds; with `overloaded`",
                    "schema": {"type": "integer", "minimum": 0},
                }
            }
        yield str(status), response


def _response(description: str, shapes: list[Schema]) -> Schema:
    schema = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


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


def _location() -> Schema:
    return {"Location": {"description": "the job's address", "schema": {"type": "string"}}}


def _meaning(kind: type[VideoVisualError]) -> str:
    if kind is VideoVisualError:
        return "a fault in the server; see its log"
    text = (kind.__doc__ or "").splitlines()[0].rstrip(".")
    return text[0].lower() + text[1:]
