"""A traceback as short strings, for logs and errors."""

import traceback
from types import TracebackType


def frames(trace: TracebackType | None) -> list[str]:
    """The frames of a traceback as `file:line function`, outermost call first."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)
    ]
