"""Serves the viewer on this machine until Ctrl-C."""

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from videovisual.errors import InvalidParameter
from videovisual.utils.cache_folder import default_cache
from videovisual_client.base_client import BaseClient
from videovisual_client.viewer.app import Offer, build
from videovisual_client.viewer.history import History
from videovisual_client.viewer.session import Session

HOST = "127.0.0.1"
"""Loopback only, because everyone who reaches the viewer uses its token."""

SHUTDOWN_S = 2
GIB = 2**30


def serve(
    client: BaseClient,
    offer: Offer,
    port: int,
    ready: Callable[[str], None],
    *,
    keep_gib: float,
    results: Path,
) -> None:
    """Serve until Ctrl-C.

    Args:
        client: explains the clips.
        offer: what the page offers.
        port: 0 for any free one.
        ready: called with the address once it accepts connections.
        keep_gib: how much to keep for the next time, in GiB; 0 keeps nothing.
        results: the folder in which the reports of other commands are found.

    Raises:
        InvalidParameter: the port is in use.
        WriteError: nothing can be kept.
    """
    with (
        socket.socket() as listener,
        _history(keep_gib) as history,
        Session(client, history, results) as session,
    ):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise InvalidParameter(
                f"Port {port} can't be used: {error.strerror}. Choose another with --port; 0 takes "
                "any free one.",
                parameter="port",
            ) from None
        chosen = listener.getsockname()[1]
        app = build(session, offer, [f"{name}:{chosen}" for name in (HOST, "localhost")])
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=SHUTDOWN_S
        )
        listener.listen()
        ready(f"http://{HOST}:{chosen}/")
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _history(keep_gib: float) -> Iterator[History]:
    if keep_gib > 0:
        yield History(default_cache() / "viewer", int(keep_gib * GIB))
        return
    folder = Path(tempfile.mkdtemp(prefix="videovisual-ui-"))
    try:
        yield History(folder, GIB)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
