"""The command's exit statuses."""

from videovisual.evidence import Outcome
from videovisual_client.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    InvalidEvidence,
    VideoVisualError,
)

OK = 0
FAILED = 1
"""The command failed; the message says why."""
USAGE = 2
"""The command line is wrong."""
CONNECTION = 3
"""The server can't be reached, closed the connection, or refuses the token."""
SOME_FAILED = 4
"""Some of several clips failed; the summary says which and why."""
ALTERED = 5
"""A record is damaged, was changed, or isn't signed by the key that was asked for."""
OTHER_INPUT = 6
"""The clip or the model is not the record's."""
NOT_REPRODUCED = 7
"""Computed again, the answer or a map is another."""
INCOMPLETE = 8
"""Nothing of a record differs, but something couldn't be checked."""
GATE = 9
"""A threshold of `diff` does not hold."""
INTERRUPTED = 130
"""Ctrl-C; finished results are kept."""

OF_OUTCOMES = {
    Outcome.VERIFIED: OK,
    Outcome.ALTERED: ALTERED,
    Outcome.OTHER_INPUT: OTHER_INPUT,
    Outcome.NOT_REPRODUCED: NOT_REPRODUCED,
    Outcome.INCOMPLETE: INCOMPLETE,
}
"""The statuses of `verify`."""

TABLE = """\
\b
Exit status: 0 success; 1 failure, the message says why; 2 wrong usage;
3 no connection to the server, or it refuses the token; 4 some of the clips failed;
9 a threshold of diff does not hold; 130 interrupted.
"""

VERIFY_TABLE = """\
\b
Exit status: 0 verified; 1 failure, the message says why; 2 wrong usage; 4 a clip or a record of a
folder can't be read; 5 the record is damaged, was changed, or isn't signed by the key that was
asked for; 6 another clip or model; 7 computed again, the answer or a map is another; 8 nothing
differs, but not all could be checked.
"""


def status(error: VideoVisualError) -> int:
    """The exit status of an error."""
    if isinstance(error, InvalidEvidence):
        return ALTERED
    lost = isinstance(error, ConnectionFailed | AuthenticationFailed)
    return CONNECTION if lost else FAILED
