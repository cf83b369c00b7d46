"""What the command's exit status says."""

from __future__ import annotations

from videovisual_client.errors import AuthenticationFailed, ConnectionFailed, VideoVisualError

OK = 0
FAILED = 1
"""What was asked for could not be done: the message says why."""
USAGE = 2
"""The command line is wrong."""
CONNECTION = 3
"""The server can't be reached, broke off, or refuses the token."""
SOME_FAILED = 4
"""Of several clips some failed; the summary says which and why."""
INTERRUPTED = 130
"""Ctrl-C; what is finished is kept."""

TABLE = """\
\b
Exit status: 0 done; 1 it could not be done, the message says why; 2 wrong usage;
3 no connection to the server, or it refuses the token; 4 some of the clips failed;
130 interrupted.
"""


def status(error: VideoVisualError) -> int:
    """The exit status of an error."""
    lost = isinstance(error, ConnectionFailed | AuthenticationFailed)
    return CONNECTION if lost else FAILED
