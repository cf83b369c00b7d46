"""The server's processes: whether they live, and how much memory they hold."""

import time
from statistics import median

import psutil
from scipy.stats import theilslopes

from videovisual_client.torchserve import Server

FLAT = 0.03
"""How far memory may move in the last two thirds of a run."""

LEAST_RESTS = 4
"""Samples that a slope needs."""

SIGNS = ("Traceback (most recent call last)", "Worker died", "OutOfMemoryError", "SIGSEGV")
"""What the log has after a crash."""

SHOWN = 30
"""Lines of the log that are shown after a sign."""


class Watch:
    """One server's processes and logs."""

    def __init__(self, server: Server, models: list[str]) -> None:
        self._server = server
        self._models = models
        self._workers = self.workers()
        self._frontend = psutil.Process(self._workers[models[0]]).parent()
        self._began = time.monotonic()
        self._read = 0
        self._peak = 0.0
        self.memory: list[dict[str, float]] = []

    def workers(self) -> dict[str, int]:
        """Each model's worker."""
        return {model: self._server.worker_pids(model)[0] for model in self._models}

    def crashes(self) -> list[str]:
        """What has crashed since the last call."""
        found = []
        now = self.workers()
        for model, pid in self._workers.items():
            if now[model] != pid or not psutil.pid_exists(pid):
                found.append(f"the worker of {model} died")
        self._workers = now
        return found + self._signs()

    def sample(self) -> None:
        """Note the most that all processes hold together."""
        self._peak = max(self._peak, sum(self._resident().values()))

    def begin_rest(self) -> None:
        """Begin a line of `memory`: every process's resident memory while no request runs, in MiB,
        and the peak of all together since the last rest."""
        at = round(time.monotonic() - self._began, 1)
        self.memory.append({"at_s": at, **self._resident(), "peak": round(self._peak, 1)})
        self._peak = 0.0

    def rest(self) -> None:
        """Lower the line's values to those of now."""
        for name, size in self._resident().items():
            self.memory[-1][name] = min(self.memory[-1][name], size)

    def _resident(self) -> dict[str, float]:
        sizes = {name: _resident(pid) for name, pid in self._workers.items()}
        if self._frontend is not None:
            sizes["frontend"] = _resident(self._frontend.pid)
        return sizes

    def _signs(self) -> list[str]:
        """The first sign of a crash in the log since the last call, with the lines after it."""
        with self._server.log.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._read)
            lines = log.readlines()
            self._read = log.tell()
        for at, line in enumerate(lines):
            if any(sign in line for sign in SIGNS):
                shown = (
                    line.rpartition("MODEL_LOG - ")[2].strip() for line in lines[at : at + SHOWN]
                )
                return ["the log: " + " | ".join(shown)]
        return []


def _resident(pid: int) -> float:
    try:
        return round(psutil.Process(pid).memory_info().rss / 2**20, 1)
    except psutil.NoSuchProcess:
        return 0.0


def growth(memory: list[dict[str, float]]) -> dict[str, float]:
    """Of each process, what it grew by over the last two thirds of the rests, as a share.

    It is the median slope between any two of them (Theil and Sen): single rests differ by some
    per cent, and in the first third the process meets each kind of request for the first time.
    """
    late = memory[len(memory) // 3 :]
    if len(late) < LEAST_RESTS:
        return {}
    times = [sample["at_s"] for sample in late]
    grown = {}
    for name in sorted(late[0].keys() - {"at_s", "peak"}):
        sizes = [sample[name] for sample in late]
        slope = theilslopes(sizes, times).slope
        grown[name] = round(slope * (times[-1] - times[0]) / max(1.0, median(sizes)), 4)
    return grown
