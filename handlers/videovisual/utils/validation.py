"""Input that is not as it must be: what pydantic found wrong, and names given twice."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from videovisual.errors import InvalidParameter
from videovisual.utils.text import shown

_GROUPED = re.compile(r"\d_\d")


class PlainNumbers(BaseModel):
    """A model whose numbers may be given as text, without `_` between digits.

    Pydantic takes `1_000` for 1000, as Python's source has it; JSON and form fields don't.
    """

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, about: ValidationInfo) -> Any:
        annotation = cls.model_fields[str(about.field_name)].annotation
        if _has(annotation, (int, float)) and not _has(annotation, (str,)):
            for each in value if isinstance(value, list | tuple) else [value]:
                if isinstance(each, str) and _GROUPED.search(each):
                    raise PydanticCustomError("number", "a number has no _ between its digits")
        return value


def _has(annotation: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a type is one of these, or made of one."""
    return annotation in kinds or any(_has(part, kinds) for part in get_args(annotation))


def invalid_value(error: ValidationError, schema: Mapping[str, Any]) -> InvalidParameter:
    """A pydantic error as ours: the parameter, what was given, what is allowed."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "request"
    allowed = schema.get("properties", {}).get(name, {})
    limits = {key: value for key, value in allowed.items() if key not in {"title", "default"}}
    given = first["input"]
    return InvalidParameter(
        f"{name} = {shown(given)!r} is not allowed: {shown(first['msg'], 200)}. "
        f"Give {limits.pop('description', 'a valid value')}.",
        parameter=name,
        given=shown(given),
        allowed=limits,
    )


def first_reason(error: Exception) -> str:
    """What an error says; of pydantic's, the first place and what is wrong there."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'all of it'}: {first['msg']}"


def repeated_name(pairs: Iterable[tuple[str, Any]]) -> str | None:
    """The first name that is given again, of which JSON would silently keep the last value."""
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            return name
        names.add(name)
    return None
