"""Checks that an answer's numbers are finite; NaN and infinity are no answer, and no JSON."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from videovisual.engine.batch import TENSORS
from videovisual.engine.probe import Reading
from videovisual.errors import NotFinite
from videovisual.saliency import Saliency
from videovisual.zoo import ModelCard

ADVICE = (
    "The network's values overflow for this clip, or its weights are broken (a negative running "
    "variance, say). Try another clip, and an earlier checkpoint."
)


def check_logits(card: ModelCard, logits: torch.Tensor) -> None:
    """Raises NotFinite where one of a clip's logits [classes] is NaN or infinite."""
    bad = int((~logits.isfinite()).sum())
    if bad:
        raise NotFinite(
            f"{bad} of the {logits.numel()} logits of {card.name} are NaN or infinite. {ADVICE}",
            what="logits",
            count=bad,
        )


def check_reading(method: str, reading: Reading) -> None:
    """Raises NotFinite where a method would go on with NaN or infinity, which may hide them."""
    for what in (*TENSORS, "attention"):
        values = getattr(reading, what)
        layers = values if isinstance(values, tuple) else (values,)
        if not all(layer is None or layer.isfinite().all() for layer in layers):
            raise NotFinite(
                f"The network's {what.replace('_', ' ')} for {method} are NaN or infinite. "
                f"{ADVICE}",
                what=what,
            )


def check_saliency(method: str, saliency: Saliency) -> None:
    """Raises NotFinite where a map or a number of the diagnostics is NaN or infinite."""
    bad = int((~np.isfinite(saliency.map)).sum())
    if bad:
        raise NotFinite(
            f"{bad} of the {saliency.map.size} values of the map of {method} are NaN or infinite. "
            f"{ADVICE}",
            what="map",
            count=bad,
        )
    check_numbers(f"the diagnostics of {method}", saliency.diagnostics)


def check_numbers(what: str, facts: Mapping[str, Any]) -> None:
    """Raises NotFinite where a number in nested `facts` is NaN or infinite."""
    bad = sorted({name for name, number in _numbers("", facts) if not math.isfinite(number)})
    if bad:
        names = ", ".join(bad[:5])
        raise NotFinite(f"Not finite in {what}: {names}. {ADVICE}", what=what, names=bad)


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(f"{name}.{key}".lstrip("."), item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(name, item)
