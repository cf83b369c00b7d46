"""The journal: one line of JSON a request in the log, without anything that the client sent."""

import json
import logging
import sys
from typing import Any

from videovisual.utils.tracebacks import frames

logger = logging.getLogger("videovisual.journal")


def note(event: str, **facts: Any) -> None:
    """Log an event with JSON-ready facts, without anything that the client sent."""
    logger.info(_line(event, facts))


def fault(event: str, **facts: Any) -> None:
    """Log the error that is being handled, with its traceback."""
    kind, error, trace = sys.exc_info()
    cause = error.__cause__ if error is not None else None
    facts["error"] = kind.__name__ if kind else None
    facts["message"] = str(error)[:500]
    facts["cause"] = type(cause).__name__ if cause else None
    facts["trace"] = [*frames(trace), *getattr(error, "trace", [])]
    logger.error(_line(event, facts))


def _line(event: str, facts: dict[str, Any]) -> str:
    return json.dumps({"event": event, **facts}, default=str)
