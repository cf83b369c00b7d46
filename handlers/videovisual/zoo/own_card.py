"""Cards that users write: the arguments of a constructor of `Classifier`, as JSON."""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from videovisual.errors import WeightsError
from videovisual.utils.text import shown
from videovisual.zoo.card import InputSpec

KEYS = ("labels", "input", "scores", "cam_layer", "licence", "options")
CALLER_GIVES = ("module", "path", "url", "name", "headers")
"""Arguments of the constructors that are in no card."""


def read_own_card(path: Path, made_by: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a constructor in a card's file.

    Raises:
        WeightsError: as `described`, or the file can't be read.
    """
    try:
        given = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _no_card(str(path), error) from error
    return described(given, str(path), made_by)


def described(given: Any, source: str, made_by: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a constructor in a card.

    Args:
        given: the card: an object with `KEYS`.
        source: where it comes from, for messages.
        made_by: `Classifier.from_module`, `from_onnx` or `from_url`.

    Raises:
        WeightsError: this is no card, or it describes what this kind of model hasn't.
    """
    try:
        spec: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in given["input"].items()
        }
        kept = {key: given[key] for key in ("scores", "cam_layer", "licence") if key in given}
        options: Mapping[str, Any] = given.get("options", {})
        found = {**kept, **options, "labels": given["labels"], "input": InputSpec(**spec)}
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_card(source, error) from error
    allowed = [key for key in inspect.signature(made_by).parameters if key not in CALLER_GIVES]
    unknown = [key for key in found if key not in allowed]
    if unknown:
        raise WeightsError(
            f"{source} describes {shown(', '.join(unknown), 200)}, which this kind of model "
            f"hasn't. Allowed are {', '.join(allowed)}.",
            path=source,
            allowed=allowed,
        )
    return found


def _no_card(source: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"{source} is no card: {type(error).__name__} {shown(error)}. Give JSON with "
        f"{', '.join(KEYS)}, of which the first two are needed.",
        path=source,
    )
