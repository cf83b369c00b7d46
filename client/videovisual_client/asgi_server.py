"""Runs uvicorn in this process, with the application of some models."""

import asyncio
import logging
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from videovisual.errors import InvalidParameter
from videovisual.utils.extras import needs
from videovisual.utils.files import check_writable, write_whole

if TYPE_CHECKING:
    from videovisual.server.jobs import Jobs

PORT = 8080
TICK_S = 0.1
JOURNAL = Path("logs", "journal.log")
URL_FILE = "url"
"""In the run folder while the server is ready: its address, for health checks."""


@dataclass(eq=False)
class AsgiServer:
    """uvicorn, serving models from their archives, or published ones.

    Attributes:
        models: names of archives, or of published models.
        store: the folder of the archives `NAME.mar`.
        host: the address to listen at.
        port: None takes 8080, or a free one if that is in use.
        run_folder: the folder of keys and logs; by default a temporary one, deleted at the end.
        key_file: the clients' keys, read again whenever the file changes; by default new ones in
            the run folder.
        certificate, private_key: files for TLS, as uvicorn takes them.
        grace_s: how long running requests may go on when the server is stopped.
        log_config: uvicorn's log settings.
    """

    models: Sequence[str]
    _: KW_ONLY
    store: Path
    host: str = "127.0.0.1"
    port: int | None = None
    run_folder: Path | None = None
    key_file: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    grace_s: int = 5
    log_config: Path | None = None

    @property
    def url(self) -> str:
        """The address that it listens at."""
        scheme = "https" if self.certificate else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self._socket.getsockname()[1]}"

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM.

        Args:
            on_ready: called when all models are loaded and warm.

        Raises:
            MissingExtra: a package of the extra `asgi` is not installed.
            InvalidParameter: the port is in use, or the settings can't be used.
            UnknownModel, WeightsError, DownloadError: as `videovisual.load`.
            WriteError: the run folder can't be written.
        """
        # Imported only now, because they import torch.
        with needs("asgi"):
            from videovisual.server.asgi.app import TELL_S  # noqa: PLC0415
            from videovisual.server.asgi.guard import MAX_HEAD_BYTES  # noqa: PLC0415
        self._socket = self._bind()
        folder = self.run_folder or Path(tempfile.mkdtemp(prefix="videovisual-serve-"))
        address = folder / URL_FILE

        def ready() -> None:
            write_whole(address, self.url)
            on_ready()

        try:
            self._start_journal(folder / JOURNAL)
            address.unlink(missing_ok=True)
            app = self.application(folder)
            config = uvicorn.Config(
                app,
                # httptools has no limit on the length of a header.
                http="h11",
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                ws="none",
                lifespan="on",
                access_log=False,
                server_header=False,
                log_level="warning",
                log_config=str(self.log_config) if self.log_config else None,
                ssl_certfile=self.certificate,
                ssl_keyfile=self.private_key,
                timeout_graceful_shutdown=self.grace_s,
            )
            _Uvicorn(config, ready, app.state.jobs, TELL_S).run(sockets=[self._socket])
        finally:
            self._socket.close()
            address.unlink(missing_ok=True)
            if self.run_folder is None:
                shutil.rmtree(folder, ignore_errors=True)

    def application(self, folder: Path) -> Starlette:
        """What is served, loaded; new keys are written to the folder.

        Raises:
            MissingExtra, InvalidParameter, UnknownModel, WeightsError, DownloadError,
                WriteError: as `run`.
        """
        with needs("asgi"):
            from videovisual.server.asgi.app import create, keys  # noqa: PLC0415
        self.key_file = keys(self.key_file, folder)
        return create(self.models, store=self.store, key_file=self.key_file)

    def _bind(self) -> socket.socket:
        """A socket that accepts no connection yet, so that none waits for the models."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        for port in [self.port] if self.port else [PORT, 0]:
            bound = socket.socket(family)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                bound.bind((self.host, port))
            except OSError as error:
                bound.close()
                reason = error.strerror or str(error)
            else:
                return bound
        raise _unusable(self.host, self.port or PORT, reason)

    def _start_journal(self, path: Path) -> None:
        check_writable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        journal = logging.getLogger("videovisual.journal")
        journal.setLevel(logging.INFO)
        journal.addHandler(logging.FileHandler(path, encoding="utf-8"))
        journal.propagate = False


def _unusable(host: str, port: int, reason: str) -> InvalidParameter:
    return InvalidParameter(
        f"Port {port} on {host} can't be used: {reason}. Choose another with --port, or leave it "
        "out."
    )


class _Uvicorn(uvicorn.Server):
    """uvicorn that says when it is ready, and tells the clients of jobs when it ends."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], jobs: "Jobs", tell_s: float
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._jobs = jobs
        self._tell_s = tell_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None
        host, port = sockets[0].getsockname()[:2]
        with suppress(OSError):
            await super().startup(sockets)
        # uvloop closes a socket that can't listen, and goes on.
        if not self.started or any(sock.fileno() < 0 for sock in sockets):
            await self.lifespan.shutdown()
            raise _unusable(host, port, "another server took it while the models were loaded")
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Jobs are asked for by new connections, which uvicorn's own end doesn't accept.
        self._jobs.stop()
        began = time.monotonic()
        while self._jobs.untold and time.monotonic() < began + self._tell_s and not self.force_exit:
            await asyncio.sleep(TICK_S)
        grace_s, passed = self.config.timeout_graceful_shutdown, int(time.monotonic() - began)
        if grace_s and passed:
            # Requests went on meanwhile.
            self.config.timeout_graceful_shutdown = max(1, grace_s - passed)
        await super().shutdown(sockets)
