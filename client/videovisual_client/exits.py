"""The command's exit statuses."""

from videovisual_client.errors import AuthenticationFailed, ConnectionFailed, VideoVisualError

OK = 0
FAILED = 1
"""The command failed; the message says why."""
USAGE = 2
"""The command line is wrong."""
CONNECTION = 3
"""The server can't be reached, closed the connection, or refuses the token."""
SOME_FAILED = 4
"""Some of several clips failed; the summary says which and why."""
INTERRUPTED = 130
"""Ctrl-C; finished results are kept."""

TABLE = """\
\b
Exit status: 0 success; 1 failure, the message says why; 2 wrong usage;
3 no connection to the server, or it refuses the token; 4 some of the clips failed;
130 interrupted.
"""


def status(error: VideoVisualError) -> int:
    """The exit status of an error."""
    lost = isinstance(error, ConnectionFailed | AuthenticationFailed)
    return CONNECTION if lost else FAILED
