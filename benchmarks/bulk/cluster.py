"""Ray's nodes, simulated: node processes on this machine, in a network namespace of their own."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
from ray.cluster_utils import Cluster

OBJECT_STORE = 80 * 2**20
LOOPBACK = ("unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""Runs a command that sees no other network than loopback; as root, on Linux."""


@contextmanager
def cluster(nodes: int, cores: int = 1) -> Iterator[Any]:
    """A cluster of nodes with so many cores each."""
    about = {"num_cpus": cores, "object_store_memory": OBJECT_STORE}
    made = Cluster(initialize_head=True, head_node_args={**about, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            made.add_node(**about)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()


def kill_worker() -> None:
    """Kill a process that answers clips, of a node that isn't the head."""
    found = [each for each in psutil.process_iter(["cmdline"]) if _answers(each.info["cmdline"])]
    min(found, key=lambda each: each.pid).kill()


def _answers(command: Sequence[str] | None) -> bool:
    return bool(command) and "MapWorker" in shlex.join(command or ())


def enter_loopback(module: str, arguments: Sequence[str]) -> None:
    """Start this program again in a namespace of its own."""
    command = [*LOOPBACK, sys.executable, "-m", module, "--inside", *arguments]
    os.execvp(command[0], command)
