"""Requests that `docs/openapi.yaml` allows, and some that it does not, sent to one model."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import schemathesis
import yaml
from docs.openapi import PAGE
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.serving import clips
from tests.serving.api import TIMEOUT_S, Api

from videovisual.attribution.catalogue import Entry
from videovisual.protocol import Options
from videovisual.server.asgi.openapi import header
from videovisual.server.asgi.schemas import options
from videovisual.server.inference_protocol.v1 import INSTANCES
from videovisual.server.reply import NDJSON

PROMISED = {501, 503, 504}
"""The only statuses from 500 up that a request may be answered with."""

PATIENCE_S = 0.5
"""The most that one request may have the server work for it."""


def only_promised(_context: Any, response: Any, _case: Any) -> None:
    """No fault of the server's."""
    assert response.status_code < 500 or response.status_code in PROMISED


CHECKS = [
    only_promised,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

DOCUMENT = yaml.safe_load(PAGE.read_text("utf-8"))
EVENT = Draft202012Validator({**DOCUMENT, "$ref": "#/components/schemas/Event"})

MP4 = clips.bikes_like_mp4()
FILES = st.sampled_from(
    [clips.npz(clips.frames(16)), clips.npz(clips.frames(2)), MP4, MP4[:2000]]
) | st.binary(max_size=64)

Given = MutableMapping[str, Any]


def operations(document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    """A document's routes by name."""
    # Random bytes are seldom a clip, and random text seldom base64.
    encoded = FILES.map(lambda data: base64.b64encode(data).decode())
    schemathesis.openapi.format("binary", FILES)
    schemathesis.openapi.format("byte", encoded | st.text(max_size=8))
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.with_security_parameters = False
    return {
        each.ok().definition.raw["operationId"]: each.ok() for each in schema.get_all_operations()
    }


def ask(api: Api, case: Any, entry: Entry | None) -> Any:
    """Send one request, hold the answer against the document, and return it.

    Args:
        api: whom to ask.
        case: what schemathesis made up.
        entry: the method that is named instead of a made up name, of the best class and without
            other methods' parameters; None leaves the request as it is.
    """
    steer(case, entry, api.model)
    response = case.call(base_url=api.server.url, headers=api.headers, timeout=TIMEOUT_S)
    case.validate_response(response, checks=CHECKS, headers=api.headers)
    (content_type,) = response.headers["content-type"]
    if content_type == NDJSON:
        for line in response.text.splitlines():
            EVENT.validate(strict(line))
    elif content_type == "application/json":
        strict(response.text)
    return response


def strict(text: str) -> Any:
    """JSON as its standard has it, without NaN and infinity."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def steer(case: Any, entry: Entry | None, model: str) -> None:
    """Send a made up request to the model, for a short time, and maybe to one method."""
    if "model" in case.path_parameters:
        case.path_parameters["model"] = model
    if "method" in case.path_parameters and entry is not None:
        case.path_parameters["method"] = entry.name
    if "version" in case.path_parameters and entry is not None:
        case.path_parameters["version"] = "1.0"
    case.headers.setdefault(header("timeout_s"), str(PATIENCE_S))
    if case.media_type == "multipart/form-data" and isinstance(case.body, dict):
        # TorchServe itself answers 500, as the document says.
        case.body.pop("", None)
    for given, spell in _given(case):
        if entry is not None:
            _keep_to(entry, given, spell)
        if spell("timeout_s") in given:
            given[spell("timeout_s")] = _at_most(given[spell("timeout_s")])


def _given(case: Any) -> Iterator[tuple[Given, Callable[[str], str]]]:
    """Wherever options may stand, and how they are spelled there."""
    yield case.headers, header
    if not isinstance(case.body, dict):
        return
    yield case.body, str
    if isinstance(parameters := case.body.get("parameters"), dict):
        yield parameters, str
    for name in INSTANCES:
        instances = case.body.get(name)
        for instance in instances if isinstance(instances, list) else []:
            if isinstance(instance, dict):
                yield instance, str


def _keep_to(entry: Entry, given: Given, spell: Callable[[str], str]) -> None:
    known = Options.model_fields.keys() | entry.parameters.model_fields
    for name in options().keys() - known:
        given.pop(spell(name), None)
    for name, sensible in (("method", entry.name), ("target", "top1")):
        if spell(name) in given:
            given[spell(name)] = sensible


def _at_most(seconds: Any) -> Any:
    """No more than there is patience for; what is no number stays, to be refused."""
    if seconds is None:
        return PATIENCE_S
    try:
        return type(seconds)(min(PATIENCE_S, float(seconds)))
    except (TypeError, ValueError):
        return seconds
