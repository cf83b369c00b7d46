"""The server's processes: whether they live, and how much memory they hold."""

import time
from statistics import median

import psutil

from videovisual_client.torchserve import Server

FLAT = 0.03
"""How far memory may move between a run's second and its last fifth."""

SIGNS = ("Traceback (most recent call last)", "Worker died", "OutOfMemoryError", "SIGSEGV")
"""What the log has after a crash."""

WINDOW_S = 30.0
"""A worker gives freed memory back every 20 s."""

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
        """Note the resident memory of every process, in MiB: the least of a window, which has what
        the worker holds after it gave freed memory back, and the most of all together."""
        now = time.monotonic() - self._began
        sizes = self._resident()
        if not self.memory or now - self.memory[-1]["at_s"] > WINDOW_S:
            self.memory.append({"at_s": round(now, 1), **sizes, "peak": 0.0})
        last = self.memory[-1]
        last["peak"] = max(last["peak"], round(sum(sizes.values()), 1))
        for name, size in sizes.items():
            last[name] = min(last[name], size)

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
    """Of each process, how much more the last fifth's median is than the second fifth's."""
    fifth = len(memory) // 5
    if not fifth:
        return {}
    names = memory[0].keys() - {"at_s", "peak"}
    return {
        name: round(
            median(sample[name] for sample in memory[-fifth:])
            / max(1.0, median(sample[name] for sample in memory[fifth : 2 * fifth]))
            - 1,
            4,
        )
        for name in sorted(names)
    }
