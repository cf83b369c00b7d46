"""Starts TorchServe, waits until its models are ready, and stops it with all its processes."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from videovisual.errors import VideoVisualError
from videovisual.utils.environment import for_torchserve
from videovisual.utils.files import check_writable, write_whole
from videovisual_client.java import find_java
from videovisual_client.token import read_properties

CONFIG = Path(__file__).with_name("config.properties")
LOG_CONFIG = Path(__file__).with_name("log4j2.xml")
ADDRESSES = ("inference_address", "management_address", "metrics_address")
GRPC_PORTS = ("grpc_inference_port", "grpc_management_port")
POLL_S = 0.1
LOG_NAME = "torchserve.log"
SOCKET = ".ts.sock.65535"
"""The longest name of a socket in TorchServe's temporary folder."""
SOCKET_BYTES = 103
"""The longest path of a socket on every system; Linux allows four bytes more."""


class ServerError(VideoVisualError, code="torchserve_failed"):
    """TorchServe could not start, or exited."""


@dataclass(frozen=True)
class Keys:
    """TorchServe's tokens."""

    inference: str
    management: str


@dataclass(eq=False)
class Server:
    """TorchServe on loopback, serving archives of one model store.

    A context manager: entering it starts TorchServe and waits until every model is ready, leaving
    it stops TorchServe and all its processes.

    Attributes:
        models: names of the archives to serve.
        store: the folder of the archives `NAME.mar`.
        config: the `config.properties` to start from.
        log_config: TorchServe's log settings.
        port: the inference port; management and metrics get the next two. None uses the ports of
            `config`, and free ones instead of those that are in use.
        run_folder: the folder of tokens, logs and unpacked archives; by default a temporary one,
            deleted at the end.
        timeout_s: how long the models may take to become ready.
        on_wait: called with a line of text while waiting.
    """

    models: Sequence[str]
    _: KW_ONLY
    store: Path = Path("model_store")
    config: Path = CONFIG
    log_config: Path = LOG_CONFIG
    port: int | None = None
    run_folder: Path | None = None
    timeout_s: float = 180
    on_wait: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        self._process: psutil.Process | None = None
        self._processes: dict[int, psutil.Process] = {}
        self._short: Path | None = None
        # One client for all polls, as each loads the certificates anew; no connection stays open.
        # Its addresses are this machine's, so the environment's proxies are not for them.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(timeout=10, limits=limits, trust_env=False)

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def key_file(self) -> Path:
        """The file of TorchServe's tokens."""
        return self.folder / "key_file.json"

    @property
    def log(self) -> Path:
        """The file of TorchServe's output."""
        return self.folder / LOG_NAME

    def keys(self) -> Keys:
        """The current tokens."""
        data = json.loads(self.key_file.read_text("utf-8"))
        return Keys(data["inference"]["key"], data["management"]["key"])

    def start(self) -> None:
        """Start TorchServe and wait until every model is ready.

        Raises:
            ServerError: an archive is missing, `port` is in use, or the models don't become ready
                in time.
            InvalidParameter: the settings file of $VIDEOVISUAL_SETTINGS can't be used.
            WriteError: the run folder can't be written.
        """
        _check_settings()
        for model in self.models:
            if not (self.store / f"{model}.mar").is_file():
                raise ServerError(
                    f"There is no archive {model}.mar in {self.store.resolve()}. "
                    f"Build it with: videovisual archive {model}"
                )
        if self.run_folder is not None:
            check_writable(self.run_folder / LOG_NAME)
        properties = self._properties()
        folder = self.run_folder or Path(tempfile.mkdtemp(prefix="videovisual-serve-"))
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key_file.unlink(missing_ok=True)
        self.url = properties["inference_address"]
        self.management_url = properties["management_address"]
        self.metrics_url = properties["metrics_address"]
        try:
            self._launch(properties)
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop TorchServe and all its processes."""
        if self._process is not None:
            self._find_processes()
            _signal(self._process, signal.SIGTERM)
            _, alive = psutil.wait_procs(list(self._processes.values()), timeout=10)
            for process in alive:
                _signal(process, signal.SIGKILL)
            psutil.wait_procs(alive, timeout=5)
            self._process = None
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)
        if self.run_folder is None and hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self) -> None:
        """Wait while TorchServe runs.

        Raises:
            ServerError: TorchServe exited.
        """
        if self._process is not None:
            self._process.wait()
            raise ServerError(f"TorchServe exited: {self._log_end()}")

    def worker_pids(self, model: str) -> list[int]:
        """Process ids of the model's workers.

        Raises:
            httpx.HTTPError: the management address doesn't answer.
        """
        return [int(worker["pid"]) for worker in self._workers(model)]

    def is_ready(self, model: str) -> bool:
        """Whether every worker of the model is ready."""
        workers = self._workers(model)
        return bool(workers) and all(worker["status"] == "READY" for worker in workers)

    def _workers(self, model: str) -> list[dict[str, str]]:
        # Without token authorization TorchServe writes no key file.
        has_key = self.key_file.is_file()
        headers = {"Authorization": f"Bearer {self.keys().management}"} if has_key else {}
        response = self._http.get(f"{self.management_url}/models/{model}", headers=headers)
        workers: list[dict[str, str]] = response.raise_for_status().json()[0]["workers"]
        return workers

    def _properties(self) -> dict[str, str]:
        properties = read_properties(self.config)
        # Each port stays bound until all are chosen, so that none is chosen twice.
        with contextlib.ExitStack() as bound:
            for index, name in enumerate(ADDRESSES):
                address = urlsplit(properties[name])
                host = address.hostname or "127.0.0.1"
                if self.port:
                    port = _bind(host, [self.port + index], bound)
                else:
                    port = _bind(host, [address.port or 0, 0], bound)
                properties[name] = f"{address.scheme}://{address.hostname}:{port}"
            for name in GRPC_PORTS:
                host = properties[name.replace("port", "address")]
                properties[name] = str(_bind(host, [int(properties[name]), 0], bound))
        properties["model_store"] = str(self.store.resolve())
        properties["load_models"] = ",".join(f"{model}={model}.mar" for model in self.models)
        return properties

    def _launch(self, properties: dict[str, str]) -> None:
        config = self.folder / "config.properties"
        write_whole(config, "".join(f"{name}={value}\n" for name, value in properties.items()))
        # With a shared temporary folder, two servers would share pid file and sockets.
        private = self._private()
        places = {name: str(private) for name in ("TMPDIR", "TEMP", "TMP")}
        environment = for_torchserve(**places, **find_java())
        command = [sys.executable, "-m", "ts.model_server", "--start", "--ncs", "--ts-config"]
        with self.log.open("ab") as log:
            subprocess.run(
                [*command, str(config), "--log-config", str(self.log_config.resolve())],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                # Ctrl-C reaches this process alone, which then stops TorchServe in order.
                start_new_session=True,
            )
        pid_file = private / ".model_server.pid"
        if not pid_file.is_file():
            raise ServerError(f"TorchServe did not start: {self._log_end()}")
        self._process = psutil.Process(int(pid_file.read_text()))

    def _private(self) -> Path:
        """TorchServe's own temporary folder, where its sockets are."""
        private = self.folder / "tmp"
        if len(os.fsencode(private / SOCKET)) <= SOCKET_BYTES:
            private.mkdir(exist_ok=True)
            return private
        # Batch systems give long folders.
        try:
            self._short = Path(tempfile.mkdtemp(prefix="videovisual-", dir="/tmp"))
        except OSError:
            raise ServerError(
                f"The run folder's path is too long: a socket in it may have {SOCKET_BYTES} bytes. "
                "Give a shorter one with --run-folder, or a shorter TMPDIR."
            ) from None
        return self._short

    def _wait_until_ready(self) -> None:
        began = time.monotonic()
        waiting = list(self.models)
        while waiting:
            if not self._find_processes():
                raise ServerError(f"TorchServe exited while starting: {self._log_end()}")
            seconds = time.monotonic() - began
            names = ", ".join(waiting)
            if seconds > self.timeout_s:
                raise ServerError(
                    f"{names} not ready after {self.timeout_s:.0f} s: {self._log_end()}"
                )
            if self.on_wait is not None:
                self.on_wait(f"waiting for {names} ({seconds:.0f} s)")
            waiting = [model for model in waiting if not self._is_ready_yet(model)]
            if waiting:
                time.sleep(POLL_S)

    def _is_ready_yet(self, model: str) -> bool:
        try:
            return self.is_ready(model)
        except (httpx.HTTPError, OSError, ValueError, KeyError):
            return False

    def _find_processes(self) -> bool:
        """Remember the workers, which outlive a killed parent; whether TorchServe is running."""
        assert self._process is not None
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                self._processes[process.pid] = process
            return bool(self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def _log_end(self) -> str:
        text = self.log.read_text("utf-8", "replace") if self.log.is_file() else ""
        lines = [line for line in text.splitlines() if re.search("ERROR|Exception|Error", line)]
        return " | ".join((lines or text.splitlines())[-5:]) or "no output"


def _check_settings() -> None:
    """Refuse a wrong settings file here: a worker that does dies, and is started again and again.

    Raises:
        InvalidParameter: see `Settings.from_environment`.
    """
    if os.environ.get("VIDEOVISUAL_SETTINGS"):
        # Imported only now, because it imports torch.
        from videovisual.server.settings import Settings  # noqa: PLC0415

        Settings.from_environment()


def _bind(host: str, wanted: Sequence[int], bound: contextlib.ExitStack) -> int:
    """Bind the first free one of some ports, until `bound` is closed; 0 is any."""
    for port in wanted:
        probe = bound.enter_context(socket.socket())
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    raise ServerError(
        f"Port {wanted[0]} on {host} is in use, or may not be used. Choose another with --port "
        "(the next two are needed too), or leave it out."
    )


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
