"""What pydantic found wrong, as an error of our own."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from videovisual.errors import InvalidParameter


def invalid_value(error: ValidationError, schema: Mapping[str, Any]) -> InvalidParameter:
    """A pydantic error as ours: the parameter, what was given, what is allowed."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "request"
    allowed = schema.get("properties", {}).get(name, {})
    limits = {key: value for key, value in allowed.items() if key not in {"title", "default"}}
    given = first["input"]
    return InvalidParameter(
        f"{name} = {str(given)[:80]!r} is not allowed: {first['msg']}. "
        f"Give {limits.pop('description', 'a valid value')}.",
        parameter=name,
        given=str(given)[:80],
        allowed=limits,
    )
