"""One request about a clip, before it becomes HTTP."""

import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, SupportsIndex

from videovisual_client.errors import InvalidParameter, InvalidTarget
from videovisual_client.upload import ClipLike

Target = str | SupportsIndex | Sequence[str | SupportsIndex]
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
        """The server's deadline, if the caller set one.

        Raises:
            InvalidParameter: it is no number.
        """
        timeout = self.options.get("timeout_s")
        try:
            return None if timeout is None else float(timeout)
        except (TypeError, ValueError):
            raise InvalidParameter(
                f"timeout_s={str(timeout)[:40]!r} is no number of seconds.", parameter="timeout_s"
            ) from None

    def streamed(self, *, partial: bool = False) -> "ClipRequest":
        """The same request, answered by lines of progress and then the result."""
        added: dict[str, Any] = {"stream": True}
        if partial:
            added["partial_every_s"] = self.options.get("partial_every_s", PARTIAL_EVERY_S)
        return replace(self, options={**self.options, **added})

    def polled(self) -> "ClipRequest":
        """The same request as a job, whose state and result are asked for later."""
        return replace(self, options={**self.options, "stream": None, "job": True})


def one_or_several(names: Methods) -> str:
    """The form field of one name, or of several as a JSON list."""
    return names if isinstance(names, str) else json.dumps(list(names))


def targets(target: Target) -> str:
    """The form field of targets: a plain name, or a JSON list, where names and indices stay apart.

    Raises:
        InvalidTarget: one is neither text nor a whole number.
    """
    if isinstance(target, str) and not target.lstrip().startswith("["):
        return target
    several = [target] if isinstance(target, str) or not isinstance(target, Iterable) else target
    return json.dumps([_target(one) for one in several])


def _target(value: str | SupportsIndex) -> str | int:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidTarget(
            f"{str(value)[:80]!r} is no target. Give a class's name, or its index as an int."
        )
    return operator.index(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
