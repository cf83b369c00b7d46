"""The polarity of a map: positive, negative or both."""

from typing import Literal

from videovisual.errors import InvalidParameter

Polarity = Literal["positive", "negative", "both"]
"""Evidence for the target, evidence against it, or the map unchanged."""


def check_polarity(polarity: Polarity, what: str, *, signed: bool) -> None:
    """Raise InvalidParameter if `what`, a map or its method, has no such polarity."""
    allowed = ["positive", "negative", "both"] if signed else ["positive", "both"]
    if polarity not in allowed:
        reason = "" if signed else f": {what} is unsigned and has no evidence against the target"
        raise InvalidParameter(
            f"polarity = {polarity!r} is not allowed{reason}. Give {' or '.join(allowed)}.",
            parameter="polarity",
            given=polarity,
            allowed=allowed,
        )
