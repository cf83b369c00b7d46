"""Serve a video classifier together with its explanations.

`load` a classifier, `classify` and `explain` a clip. Names are resolved when they are first used,
so that `import videovisual` alone, and `videovisual.protocol` and `.render`, need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from videovisual.utils.extras import needs
from videovisual.version import __version__

if TYPE_CHECKING:
    from videovisual import motion
    from videovisual.api import classify, explain, verify
    from videovisual.saliency import Saliency
    from videovisual.zoo import Classifier, InputSpec, load, load_weights

__all__ = [
    "Classifier",
    "InputSpec",
    "Saliency",
    "__version__",
    "classify",
    "explain",
    "load",
    "load_weights",
    "motion",
    "verify",
]

_HOMES = {
    "Classifier": "videovisual.zoo",
    "InputSpec": "videovisual.zoo",
    "classify": "videovisual.api",
    "Saliency": "videovisual.saliency",
    "explain": "videovisual.api",
    "load": "videovisual.zoo",
    "load_weights": "videovisual.zoo",
    "verify": "videovisual.api",
}


def __getattr__(name: str) -> Any:
    if name == "motion":
        with needs("pictures"):
            return importlib.import_module("videovisual.motion")
    if name in _HOMES:
        with needs("pictures" if name == "Saliency" else "server"):
            return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'videovisual' has no attribute {name!r}")
