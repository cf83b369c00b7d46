"""The viewer, served on this machine until it is stopped."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import uvicorn

from videovisual.errors import InvalidParameter
from videovisual_client.base_client import BaseClient
from videovisual_client.viewer.app import build
from videovisual_client.viewer.session import Session

HOST = "127.0.0.1"
"""And nothing else: whoever reaches the viewer uses its token."""

GOODBYE_S = 2


def serve(
    asker: BaseClient, models: Sequence[str], place: str, port: int, ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C.

    Args:
        asker: who answers.
        models: the models that are offered.
        place: who answers, in words.
        port: where; 0 for any that is free.
        ready: called with the address once it is there.

    Raises:
        InvalidParameter: the port is taken.
    """
    with socket.socket() as listening, Session(asker) as desk:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise InvalidParameter(
                f"Port {port} can't be used: {error.strerror}. Give another with --port, or 0 for "
                "any that is free.",
                parameter="port",
            ) from None
        chosen = listening.getsockname()[1]
        hosts = [f"{name}:{chosen}" for name in (HOST, "localhost")]
        app = build(desk, models, place, hosts)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=GOODBYE_S
        )
        listening.listen()
        ready(f"http://{HOST}:{chosen}/")
        uvicorn.Server(config).run(sockets=[listening])
