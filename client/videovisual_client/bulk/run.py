"""A bulk run: Ray's processes answer the clips, and this one writes the tables."""

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data

from videovisual.errors import VideoVisualError
from videovisual.version import __version__
from videovisual_client.bulk.address import DRAFTS, Output
from videovisual_client.bulk.table import ANSWERS, FAILED, ROWS, Parts
from videovisual_client.bulk.worker import RUN, BulkRequest, Worker
from videovisual_client.errors import ConnectionFailed, InvalidParameter, from_json

BLOCKS = 256
BLOCKS_EACH = 8
"""In how many pieces the clips are sent: the larger of this and of so many for each process, which
then end at nearly the same time. A piece costs the command 50 KB."""

CONNECT_S = 5.0
"""How long the cluster's address may take to accept a connection: Ray itself tries for minutes."""

TELL_S = 0.5
"""How often a process hands rows on: each time costs the command 2 ms."""

OBJECT_STORE_BYTES = 256 * 2**20
"""Of Ray on this machine alone: paths and rows pass through it, no frames."""


class Answering(Protocol):
    """As `Worker`."""

    def __init__(self, request: BulkRequest) -> None: ...

    def __call__(self, clips: pa.Table) -> Iterator[pa.Table]:
        """As `Worker.__call__`."""


class Packer:
    """Hands on what a worker answers, as one value of bytes now and then.

    Ray would cut rows into blocks by their size, or hold them until a process has answered all
    that it was sent.
    """

    def __init__(self, worker: type[Answering], request: BulkRequest) -> None:
        self._worker = worker(request)

    def __call__(self, clips: pa.Table) -> Iterator[pa.Table]:
        """Answer clips; tables of one row, `packed`."""
        told = time.monotonic()
        rows: list[pa.Table] = []
        for row in self._worker(clips):
            rows.append(row)
            if time.monotonic() - told >= TELL_S:
                yield _packed(rows)
                told = time.monotonic()
                rows = []
        if rows:
            yield _packed(rows)


def _packed(rows: list[pa.Table]) -> pa.Table:
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, ROWS) as stream:
        for row in rows:
            stream.write_table(row)
    return pa.table({"packed": pa.array([buffer.getvalue().to_pybytes()])})


def _unpacked(table: pa.Table) -> Iterator[pa.Table]:
    for value in table.column("packed"):
        yield pa.ipc.open_stream(value.as_buffer()).read_all()


@dataclass
class Totals:
    """What a run has done so far.

    Attributes:
        clips: how many there are.
        computed: answers of this run.
        restored: answers of an earlier run.
        failed: clips without an answer.
        processes: how many answer clips.
        seconds: since the first process was asked for.
    """

    clips: int
    computed: int = 0
    restored: int = 0
    failed: int = 0
    processes: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """Clips with an answer or a failure."""
        return self.computed + self.restored + self.failed


def run(
    request: BulkRequest,
    clips: pa.Table,
    *,
    address: str | None = None,
    cores: int = 1,
    worker: type[Answering] = Worker,
    on_progress: Callable[[Totals], None] = lambda _: None,
) -> Totals:
    """Answer clips, and write the tables `answers` and `failed`.

    Args:
        request: what is asked of each.
        clips: a table of `listing.SCHEMA`.
        address: of a Ray cluster; None for this machine.
        cores: of a process, where the cluster has no GPU.
        worker: answers clips in each process.
        on_progress: called with the totals now and then.

    Raises:
        ConnectionFailed: there is no cluster at that address.
        WriteError: the output can't be written.
        VideoVisualError: an error that all clips would meet; finished answers are kept.
    """
    output = Output(request.out)
    answers, failed = Parts(output, "answers", ANSWERS), Parts(output, "failed", FAILED)
    totals = Totals(clips.num_rows)
    with _cluster(address):
        about = {"run": request.run, "videovisual": __version__, "request": request.to_json()}
        output.write(RUN, json.dumps(about, indent=1).encode())
        output.clear(DRAFTS)
        began = time.monotonic()
        try:
            for rows in _answered(worker, request, clips, cores, totals):
                _raise_fatal(rows)
                has_answer = pc.is_valid(rows["key"])
                answers.add(rows.filter(has_answer))
                failed.add(rows.filter(pc.invert(has_answer)))
                totals.computed += pc.sum(rows["computed"]).as_py() or 0
                totals.restored = answers.rows - totals.computed
                totals.failed = failed.rows
                totals.seconds = time.monotonic() - began
                on_progress(totals)
        finally:
            answers.flush()
            failed.flush()
    answers.finish()
    failed.finish()
    output.clear(DRAFTS)
    if totals.done != totals.clips:
        raise VideoVisualError(
            f"Ray answered {totals.done} of {totals.clips} clips. Run the command again: it "
            "computes what is missing."
        )
    return totals


def _answered(
    worker: type[Answering], request: BulkRequest, clips: pa.Table, cores: int, totals: Totals
) -> Iterator[pa.Table]:
    gpu = request.device is None or request.device.startswith("cuda")
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if gpu else 0
    totals.processes = gpus or int(resources.get("CPU", 0) // cores)
    if not totals.processes:
        raise InvalidParameter(
            f"The cluster has {int(resources.get('CPU', 0))} cores, and a process needs {cores}. "
            "Ask for fewer with --cores.",
            parameter="cores",
            given=cores,
        )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = 1
    rows = max(1, clips.num_rows // max(BLOCKS, BLOCKS_EACH * totals.processes))
    blocks = [clips.slice(start, rows) for start in range(0, clips.num_rows, rows)]
    dataset = ray.data.from_arrow(blocks).map_batches(
        Packer,
        fn_constructor_args=(worker, request),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=totals.processes, max_tasks_in_flight_per_actor=2),
        num_cpus=0 if gpus else cores,
        num_gpus=1 if gpus else 0,
    )
    for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from _unpacked(table)


def _raise_fatal(rows: pa.Table) -> None:
    for row in rows.filter(pc.fill_null(rows["fatal"], False)).to_pylist():
        raise from_json({"error": {"code": row["code"], "message": row["reason"]}}, status=400)


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Join a cluster, or start one of this machine alone."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init(
                "local",
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _node_ip_address="127.0.0.1",
                **quiet,
            )
        else:
            _check_listens(address)
            ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConnectionFailed(
            f"There is no Ray cluster at {address or 'this machine'}: {error}. Start one with `ray "
            "start --head`, or leave --address out."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    """Raises OSError where nothing listens at HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
