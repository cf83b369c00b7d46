"""What the operator of a server decides."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from videovisual.clips import Limits
from videovisual.engine.optimise.precision import Precision
from videovisual.errors import InvalidParameter

SETTINGS_VARIABLE = "VIDEOVISUAL_SETTINGS"


@dataclass(frozen=True)
class Settings:
    """What the operator decides.

    Attributes:
        limits: on incoming clips.
        max_running: explanations under way at once.
        max_waiting: explanations that wait for one of those to end; more are refused with 503.
        max_classifications: classifications at once, which have their own share.
        max_bytes: what all requests under way may hold of uploads, frames and clips.
        decoders: clips decoded at once.
        lanes: threads on a processor that run explanations; one more runs classifications.
        threads: torch's threads in each of them; None shares the cores out among `lanes`, and
            gives all of them to a request that is alone, if the network is large.
        idle: whether explanations on a processor give way at once to whatever else wants it, so
            that classifications don't feel them; on a machine with other work to do they may then
            stand still, where without they are only the last.
        precision: of the gradients of searches that leave it open: `auto` is bfloat16 where the
            device has units for it and the model's gradients stay alike; or `float32`,
            `bfloat16`, `float16`.
        cuda_graphs: whether a GPU runs searches as recorded graphs.
        batch: the most clips in one pass of the network; None is 1 on a processor, where an answer
            then doesn't depend on who else is there, and 16 on a GPU.
        step_s: seconds that a step of several clips aims at.
        max_reply_bytes: the largest answer; it must be below the server's own limit.
        retry_after_s: what a refused client is told to wait.
    """

    limits: Limits = field(default_factory=Limits)
    max_running: int = 8
    max_waiting: int = 16
    max_classifications: int = 16
    max_bytes: int = 2**31
    decoders: int = 2
    lanes: int = 2
    threads: int | None = None
    idle: bool = True
    precision: Precision = "auto"
    cuda_graphs: bool = True
    batch: int | None = None
    step_s: float = 0.25
    max_reply_bytes: int = 96 * 2**20
    retry_after_s: int = 2

    def __post_init__(self) -> None:
        """Raises InvalidParameter: there is no such precision."""
        allowed = get_args(Precision)
        if self.precision not in allowed:
            raise InvalidParameter(
                f"There is no precision {self.precision!r}; there are {', '.join(allowed)}.",
                parameter="precision",
                given=self.precision,
                allowed=list(allowed),
            )

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings in the JSON file that $VIDEOVISUAL_SETTINGS names, or the defaults.

        Raises:
            InvalidParameter: the file can't be read, or has a setting that there isn't.
        """
        name = os.environ.get(SETTINGS_VARIABLE)
        if not name:
            return cls()
        try:
            given = json.loads(Path(name).read_text("utf-8"))
            limits = Limits(**given.pop("limits", {}))
            return cls(limits=limits, **given)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            known = [field.name for field in dataclasses.fields(cls)]
            raise InvalidParameter(
                f"${SETTINGS_VARIABLE} names {name}, which can't be used: {error}. It is a JSON "
                f"object with any of {', '.join(known)}.",
                allowed=known,
            ) from None
