"""Version 1: one clip in `instances` or `inputs`, and its answer in `predictions`."""

from collections.abc import Mapping
from typing import Any, Literal

from videovisual.errors import InvalidRequest
from videovisual.protocol import Answer
from videovisual.utils.text import shown

INSTANCES = ("instances", "inputs")
ENVELOPES = (*INSTANCES, "parameters")

Verb = Literal["predict", "explain"]


def is_enveloped(body: Mapping[str, Any]) -> bool:
    """Whether a JSON body has the envelope of version 1."""
    return any(name in body for name in INSTANCES)


def unwrapped(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A JSON body without its envelopes: `instances` or `inputs`, and `parameters`.

    Raises:
        InvalidRequest: not exactly one clip, or a name that is given twice, with two values.
    """
    layers = [{name: value for name, value in body.items() if name not in ENVELOPES}]
    if (parameters := body.get("parameters")) is not None:
        if not isinstance(parameters, Mapping):
            raise InvalidRequest("`parameters` must be an object with options and their values.")
        layers.append(dict(parameters))
    layers += [_only_instance(name, body[name]) for name in INSTANCES if name in body]
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if merged.get(name) not in (None, value) and value is not None:
                raise InvalidRequest(
                    f"{shown(name)!r} is given twice, with two values: beside `instances` or "
                    "`parameters` and inside. Give it once.",
                    part=shown(name),
                )
            merged[name] = merged.get(name) if value is None else value
    return merged


def envelope(answer: Answer, verb: Verb) -> bytes:
    """The JSON of an answer: `{"predictions": [answer]}`.

    Of an explanation its explanations are beside it: `{"predictions": […], "explanations": [[…]]}`.
    """
    if verb == "predict":
        return b'{"predictions":[%s]}' % answer.model_dump_json().encode()
    rest = answer.model_copy(update={"explanations": []}).model_dump_json().encode()
    explanations = b",".join(each.model_dump_json().encode() for each in answer.explanations)
    return b'{"predictions":[%s],"explanations":[[%s]]}' % (rest, explanations)


def _only_instance(name: str, instances: Any) -> dict[str, Any]:
    if not isinstance(instances, list) or len(instances) != 1:
        raise InvalidRequest(
            f"`{name}` must be a list of exactly one clip. Send one request a clip: "
            "the server runs them together."
        )
    (instance,) = instances
    if not isinstance(instance, Mapping):
        return {"video": instance}
    if "b64" in instance:
        # The one value of an instance, in KServe's own form of bytes.
        rest = {name: value for name, value in instance.items() if name != "b64"}
        return {"video": {"b64": instance["b64"]}, **rest}
    return dict(instance)
