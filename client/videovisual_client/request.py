"""One request about a clip, before it becomes HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from videovisual_client.upload import ClipLike

Target = str | int | Sequence[str | int]
Methods = str | Sequence[str]

PARTIAL_EVERY_S = 2.0


@dataclass(frozen=True)
class ClipRequest:
    """One request.

    Attributes:
        route: `predictions` or `explanations`.
        model: a served model's name.
        clip: path of a video or of a folder of frames, a video's bytes, or uint8 [T, H, W, 3]
            frames.
        options: by name; None stands for the server's default.
    """

    route: str
    model: str
    clip: ClipLike
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, str]:
        """The options as form fields."""
        return {name: _text(value) for name, value in self.options.items() if value is not None}

    @property
    def timeout_s(self) -> float | None:
        """The server's deadline, if the caller set one."""
        timeout = self.options.get("timeout_s")
        return None if timeout is None else float(timeout)

    def streamed(self, *, partial: bool = False) -> "ClipRequest":
        """The same request, answered by lines of progress and then the result."""
        added: dict[str, Any] = {"stream": True}
        if partial:
            added["partial_every_s"] = self.options.get("partial_every_s", PARTIAL_EVERY_S)
        return replace(self, options={**self.options, **added})


def one_or_several(names: Target) -> str:
    """The form field of one name, or of several as a JSON list."""
    if isinstance(names, str | int):
        return str(names)
    return json.dumps([str(name) for name in names])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
