"""The shapes of requests and answers as JSON schemas, for the OpenAPI document."""

import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic.json_schema import models_json_schema

from videovisual import protocol
from videovisual.attribution.catalogue import ENTRIES
from videovisual.protocol import Options
from videovisual.server.asgi import inference_document
from videovisual.server.asgi.inference_document import ANSWERED
from videovisual.server.inference_protocol import v1

Schema = dict[str, Any]

ABOUT_REQUESTS = {
    "Cancel": ("cancel", "cancels a request, a job too"),
    "AskJobState": ("job_state", "asks for the state of a job"),
    "AskJobResult": ("job_result", "asks for what a job's request is answered"),
}
"""Bodies about another request: the member that each has, and what it does."""


def ref(name: str) -> Schema:
    """A reference to one of `schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> dict[str, Schema]:
    """All schemas by name."""
    events = get_args(protocol.Event)
    others = (protocol.Failure, protocol.Cancellation, protocol.JobState)
    answers = (protocol.Answer, *others, *events, *ANSWERED)
    _, made = models_json_schema(
        [(model, "serialization") for model in answers], ref_template="#/components/schemas/{model}"
    )
    answer = made["$defs"]["ResultEvent"]["properties"]["answer"]
    answer |= _any([ref("Answer"), ref("KServeAnswer"), ref("KServeExplanation")])
    tensors = {model.__name__ for model in ANSWERED} | {"OutputTensor", "TensorMetadata"}
    asked = options()
    clip = {"video": _encoded("the clip's file, base64")}
    return {
        "JsonRequest": {
            "anyOf": [ref(name) for name in ("JsonClip", "KServeRequest", *ABOUT_REQUESTS)]
        },
        "JsonClip": {
            "type": "object",
            "properties": clip | asked,
            "required": ["video"],
            "additionalProperties": False,
        },
        "KServeRequest": {
            "type": "object",
            "description": "KServe's envelope; options are members of it or of the instance",
            "properties": {
                **{name: _one(_any([ref("JsonClip"), clip["video"]])) for name in v1.INSTANCES},
                **{name: ref(f"JsonClip/properties/{name}") for name in asked},
            },
            "oneOf": [{"required": [name]} for name in v1.INSTANCES],
            "additionalProperties": False,
        },
        "InferRequest": inference_document.request(asked),
        **{
            title: {
                "type": "object",
                "description": about,
                "properties": {member: {"type": "string", "description": "the request's id"}},
                "required": [member],
                "additionalProperties": False,
            }
            for title, (member, about) in ABOUT_REQUESTS.items()
        },
        "Form": _form(asked),
        "Answers": {"anyOf": [ref("Answer"), *_kserve(), *_others()]},
        "KServeAnswers": {"anyOf": [*_kserve(), *_others()]},
        "KServeAnswer": {
            "type": "object",
            "properties": {"predictions": _one(ref("Answer"))},
            "required": ["predictions"],
            "additionalProperties": False,
        },
        "KServeExplanation": {
            "type": "object",
            "description": "of a route that explains: `explanations` are beside the answer",
            "properties": {
                "predictions": _one(ref("Answer")),
                "explanations": _one({"type": "array", "items": ref("Explanation")}),
            },
            "required": ["predictions", "explanations"],
        },
        **{
            # Of an answer in tensors, what there isn't is left out.
            name: _plain(schema) if name in tensors else _answered(schema)
            for name, schema in made["$defs"].items()
        },
        "Event": {"anyOf": [ref(event.__name__) for event in events]},
        "TorchServeError": {
            "type": "object",
            "properties": {
                "code": {"type": "integer", "description": "the HTTP status"},
                "type": {"type": "string"},
                "message": {"type": "string"},
            },
            "required": ["code", "type", "message"],
        },
    }


def _form(asked: Mapping[str, Schema]) -> Schema:
    picture = {"type": "string", "format": "binary", "description": "a frame as PNG or JPEG"}
    video = {
        "type": "string",
        "format": "binary",
        "description": "mp4, mov, webm, mkv, avi, wmv, MPEG stream or gif; animated WebP or PNG; "
        "a zip of PNG, JPEG, WebP or BMP frames; or an npz with uint8 `frames` [T, H, W, 3] and "
        "optionally `fps` or `timestamps`",
    }
    return {
        "type": "object",
        "description": "The clip as a part `video`, or as parts `frame_000`, `frame_001`, …",
        "properties": {
            "video": video,
            "frame_000": picture,
            **{name: _text(schema) for name, schema in asked.items()},
        },
        "patternProperties": {"^frame_[0-9]+$": picture},
        "oneOf": [{"required": ["video"]}, {"required": ["frame_000"]}],
        "additionalProperties": False,
    }


def options() -> dict[str, Schema]:
    """All members of a JSON request: the options, then the methods' own parameters."""
    given = Options.model_json_schema()
    own = {
        name: _lenient(_inlined(schema, given["$defs"]))
        for name, schema in given["properties"].items()
    }
    own["method"]["description"] += f": {_names([entry.name for entry in ENTRIES])}"
    return own | _parameters()


def _parameters() -> dict[str, Schema]:
    """The methods' parameters. One name may have different meanings for different methods."""
    by_shape: dict[str, dict[str, dict[str, list[str]]]] = {}
    for entry in ENTRIES:
        for name, schema in entry.parameters.model_json_schema().get("properties", {}).items():
            shape = _lenient(_plain(schema))
            meaning = shape.pop("description")
            meanings = by_shape.setdefault(name, {}).setdefault(json.dumps(shape), {})
            meanings.setdefault(meaning, []).append(entry.name)
    return {
        name: _any([json.loads(shape) | _described(meanings) for shape, meanings in shapes.items()])
        for name, shapes in by_shape.items()
    }


def _described(meanings: Mapping[str, list[str]]) -> Schema:
    parts = [f"{meaning} ({_names(methods)})" for meaning, methods in meanings.items()]
    return {"description": "; ".join(parts)}


def _any(shapes: list[Schema]) -> Schema:
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _names(methods: list[str]) -> str:
    return ", ".join(f"`{method}`" for method in methods)


def _lenient(schema: Schema) -> Schema:
    """Allows a single item in place of a list, and drops an empty default."""
    if schema.get("type") != "array":
        return schema
    kept = {name: schema[name] for name in ("description", "default") if schema.get(name)}
    several = {name: schema[name] for name in schema if name not in {"description", "default"}}
    return kept | {"anyOf": [dict(schema["items"]), several]}


def _text(schema: Schema) -> Schema:
    """The schema of a form field or header: no null, and a list as JSON text."""
    shapes: list[Schema] = [
        shape for shape in schema.get("anyOf", []) if shape.get("type") != "null"
    ]
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    if any(shape.get("type") == "array" for shape in shapes):
        rest["description"] = f"{schema['description']}; for several, a JSON list"
        return rest | {"type": "string"}
    default = {"default": schema["default"]} if schema.get("default") is not None else {}
    if len(shapes) == 1:
        return shapes[0] | rest | default
    return rest | default | ({"anyOf": [_text(shape) for shape in shapes]} if shapes else {})


def _answered(schema: Schema) -> Schema:
    """The schema of a model in an answer: every member is present, with or without a default."""
    plain: Schema = _plain(schema)
    for shape in plain["properties"].values():
        shape.pop("default", None)
    return plain | {"required": list(plain["properties"])}


def _plain(schema: Any) -> Any:
    """Without the titles that pydantic derives from names."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _plain(value)
        for name, value in schema.items()
        if not (name == "title" and isinstance(value, str))
    }


def _inlined(schema: Schema, defined: Mapping[str, Schema]) -> Schema:
    plain: Schema = _plain(schema)
    target = plain.pop("$ref", None)
    if target is None:
        return plain
    return {**_plain(defined[target.rpartition("/")[2]]), **plain}


def _one(schema: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "maxItems": 1, "items": schema}


def _kserve() -> list[Schema]:
    return [ref("KServeAnswer"), ref("KServeExplanation")]


def _others() -> list[Schema]:
    return [ref("Cancellation"), ref("JobState"), ref("Failure")]


def _encoded(description: str) -> Schema:
    text = {"type": "string", "format": "byte", "contentEncoding": "base64"}
    wrapped = {"type": "object", "properties": {"b64": text}, "required": ["b64"]}
    return {"description": description, "anyOf": [text, wrapped]}
