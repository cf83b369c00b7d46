"""Input that is not as it must be: what pydantic found wrong, and names given twice."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from videovisual.errors import InvalidParameter
from videovisual.utils.text import shown


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
