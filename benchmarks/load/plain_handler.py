"""A plain TorchServe handler, for comparison: it serves one request after another.

It uses the same library for the same answers, without the engine's batching and priorities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videovisual import clips, zoo
from videovisual.api import classify, explain


class PlainHandler:
    """Classifies, and explains where a method is given."""

    def initialize(self, context: Any) -> None:
        self._classifier = zoo.load_folder(Path(context.system_properties["model_dir"]))

    def handle(self, data: list[Mapping[str, Any]], context: Any) -> list[bytes]:
        return [self._answer(parts) for parts in data]

    def _answer(self, parts: Mapping[str, Any]) -> bytes:
        options: dict[str, Any] = {
            name: bytes(value).decode() for name, value in parts.items() if name != "video"
        }
        video = bytes(parts["video"])
        answer = classify(self._classifier, clips.open_bytes(video)).model_dump(mode="json")
        method = options.pop("method", None)
        if method is not None:
            saliency = explain(self._classifier, clips.open_bytes(video), method, **options)
            answer["map"] = saliency.map.tolist()
        return json.dumps(answer).encode()
