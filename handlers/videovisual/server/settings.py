"""Server settings, from a JSON file."""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from videovisual.clips import Limits
from videovisual.engine.optimise.precision import Precision
from videovisual.errors import InvalidParameter, VideoVisualError
from videovisual.evidence import SigningKey
from videovisual.utils.text import shown
from videovisual.utils.validation import repeated_name

SETTINGS_VARIABLE = "VIDEOVISUAL_SETTINGS"


class Settings(BaseModel):
    """Server settings.

    Attributes:
        limits: on incoming clips.
        max_running: explanations that run at once.
        max_waiting: explanations that wait for one of those to end; more are refused with 503.
        max_classifications: classifications at once; explanations don't count among them.
        max_bytes: bytes of uploads, frames, clips, maps and answers that all requests together may
            hold, beside the network's own.
        max_passes: passes of the network that one request may take, at one clip a pass.
        decoders: how many requests decode a clip or draw a picture at once.
        lanes: worker threads on a processor for explanations; one more runs classifications.
        threads: torch's threads in each worker. None shares the cores among the workers; a lone
            request gets all cores, unless the network is small.
        idle: whether explanations on a processor give way at once to all other work on it
            (`SCHED_IDLE`). Classifications then don't slow down, but on a machine with other work
            explanations may stand still; `false` gives them the lowest priority instead.
        precision: of the gradients of searches that leave it open. `auto` is bfloat16 where the
            device has units for it and the model's gradients stay alike; else `float32`,
            `bfloat16` or `float16`.
        cuda_graphs: whether a GPU runs searches as CUDA graphs.
        batch: the most clips in one pass of the network. None is 1 on a processor, where an answer
            then doesn't depend on other requests, and 16 on a GPU.
        step_s: how long a pass of several clips should take, in seconds.
        max_reply_bytes: the largest answer; it must be below the server's own limit.
        retry_after_s: how long a refused client is asked to wait, in seconds.
        signing_key: file of the private key that signs explanations for evidence records; None for
            no signatures.
        jobs: whether requests can be made jobs, which the process that took them keeps: not where
            another may be asked for them.
        job_keep_s: how long the result of a job is kept after its end, in seconds.
        job_bytes: bytes that the results of all jobs together may hold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    limits: Limits = Field(default_factory=Limits)
    max_running: int = Field(default=8, ge=1, le=1000)
    max_waiting: int = Field(default=16, ge=0, le=10_000)
    max_classifications: int = Field(default=16, ge=1, le=1000)
    max_bytes: int = Field(default=2**32, ge=1, le=2**50)
    max_passes: int = Field(default=200_000, ge=1, le=10**9)
    decoders: int = Field(default=2, ge=1, le=256)
    lanes: int = Field(default=2, ge=1, le=256)
    threads: int | None = Field(default=None, ge=1, le=1024)
    idle: bool = True
    precision: Precision = "auto"
    cuda_graphs: bool = True
    batch: int | None = Field(default=None, ge=1, le=4096)
    step_s: float = Field(default=0.25, gt=0, le=60)
    max_reply_bytes: int = Field(default=96 * 2**20, ge=1, lt=2**31)
    retry_after_s: int = Field(default=2, ge=0, le=3600)
    signing_key: str | None = Field(default=None, min_length=1)
    jobs: bool = True
    job_keep_s: float = Field(default=600, gt=0, le=7 * 86_400)
    job_bytes: int = Field(default=2**28, ge=2**16, le=2**50)

    @field_validator("signing_key")
    @classmethod
    def _signs(cls, path: str | None) -> str | None:
        """Found when the settings are read, and not by each worker that can't start."""
        if path is not None:
            try:
                SigningKey.read(path)
            except VideoVisualError as error:
                raise ValueError(error.message) from None
        return path

    @classmethod
    def from_environment(cls) -> "Settings":
        """The settings in the JSON file that $VIDEOVISUAL_SETTINGS names, or the defaults.

        Raises:
            InvalidParameter: the file can't be read, or a setting in it is unknown, given twice, of
                another type, or out of range.
        """
        name = os.environ.get(SETTINGS_VARIABLE)
        if not name:
            return cls()
        try:
            text = Path(name).read_text("utf-8")
            json.loads(text, object_pairs_hook=_each_once)
            return cls.model_validate_json(text)
        except (OSError, ValueError, RecursionError) as error:
            why = _reason(error) if isinstance(error, ValidationError) else shown(str(error), 200)
            known = list(cls.model_fields)
            raise InvalidParameter(
                f"${SETTINGS_VARIABLE} names {name}, which can't be used: {why}. It is a JSON "
                f"object with any of {', '.join(known)}.",
                allowed=known,
            ) from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    name = repeated_name(pairs)
    if name is not None:
        raise ValueError(f"{shown(name)} is given twice")
    return dict(pairs)


def _reason(error: ValidationError) -> str:
    """The first wrong setting, its value, and what is allowed."""
    first = error.errors()[0]
    place = shown(".".join(str(part) for part in first["loc"]) or "the file")
    why = f"{place} = {shown(repr(first['input']))}: {first['msg']}"
    schema = Settings.model_json_schema()
    group = schema["$defs"]["Limits"] if first["loc"][:1] == ("limits",) else schema
    field = group["properties"].get(first["loc"][-1], {}) if first["loc"] else {}
    # An optional number's bounds are those of the one of its types that has some.
    bounds = {
        key: value for each in (field, *field.get("anyOf", ())) for key, value in each.items()
    }
    lowest = bounds.get("minimum", bounds.get("exclusiveMinimum"))
    highest = bounds.get("maximum", bounds.get("exclusiveMaximum"))
    if lowest is None:
        return why
    return f"{why}. Allowed are {bounds['type']}s from {lowest} to {highest}"
