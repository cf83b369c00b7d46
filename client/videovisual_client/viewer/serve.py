"""Serves the viewer on this machine until Ctrl-C."""

import socket
from collections.abc import Callable, Sequence

import uvicorn

from videovisual.errors import InvalidParameter
from videovisual_client.base_client import BaseClient
from videovisual_client.viewer.app import build
from videovisual_client.viewer.session import Session

HOST = "127.0.0.1"
"""Loopback only, because everyone who reaches the viewer uses its token."""

SHUTDOWN_S = 2


def serve(
    client: BaseClient, models: Sequence[str], place: str, port: int, ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C.

    Args:
        client, models: what the page offers.
        place: where the models run, in words.
        port: 0 for any free one.
        ready: called with the address once it accepts connections.

    Raises:
        InvalidParameter: the port is in use.
    """
    with socket.socket() as listener, Session(client) as session:
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
        hosts = [f"{name}:{chosen}" for name in (HOST, "localhost")]
        app = build(session, models, place, hosts)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=SHUTDOWN_S
        )
        listener.listen()
        ready(f"http://{HOST}:{chosen}/")
        uvicorn.Server(config).run(sockets=[listener])
