"""Work that is recorded once and then replayed.

A network's pass is hundreds of kernels that a GPU computes sooner than Python can name them.
RecordedMaskStep as one graph, on memory of their own, all of them are asked for in one call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import torch

Outputs = tuple[torch.Tensor, ...]

Capture = Callable[[Callable[[], Outputs]], tuple[Callable[[], object], Outputs]]
"""Records work whose tensors stay where they are: what does it again, and where its results lie."""

WARM_UPS = 3
"""Times that work is done before it is recorded, in which libraries choose their kernels."""

MOST = 24
"""Recordings that are kept. I3D's takes up to half a gigabyte."""

_log = logging.getLogger(__name__)


class CudaCapture:
    """Records by CUDA graphs, which share one pool of memory, since they take turns.

    Args:
        device: of all tensors.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graphs: WeakSet[torch.cuda.CUDAGraph] = WeakSet()

    def __call__(self, work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        """Record work; see `Capture`."""
        with torch.cuda.device(self._device):
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(WARM_UPS):
                    work()
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on using the device.
            with torch.cuda.graph(graph, self._pool(), capture_error_mode="thread_local"):
                outputs = work()
        self._graphs.add(graph)
        return graph.replay, outputs

    def _pool(self) -> Any:
        """The memory of a graph that there is; it ends with the last one that has it."""
        return next((graph.pool() for graph in self._graphs), None)


@dataclass(frozen=True)
class Recording:
    """RecordedMaskStep work.

    Attributes:
        work: keeps what it reads beside its inputs.
        inputs, outputs: where they lie.
        replay: does it again.
    """

    work: Callable[..., Outputs]
    inputs: Outputs
    replay: Callable[[], object]
    outputs: Outputs


class Recorder:
    """Runs work by recordings, one for each kind of work and shapes of its inputs.

    What can't be recorded, or for which there is no room, is run as it is. Several threads may use
    one.

    Args:
        capture: records work.
        most: how many recordings are kept, those that were used last.

    Attributes:
        tries: how often work was recorded, or that was tried.
    """

    def __init__(self, capture: Capture, most: int = MOST) -> None:
        self.tries = 0
        self._capture = capture
        self._most = most
        self._recordings: dict[Hashable, Recording | None] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, work: Callable[..., Outputs], *inputs: torch.Tensor) -> Outputs:
        """The results of `work(*inputs)`.

        Args:
            key: what the work depends on beside its inputs.
            work: reads and writes nothing else, and waits for nothing that is computed. It is kept.
            inputs: all on one device.
        """
        place = (key, tuple(each.shape for each in inputs))
        with self._lock:
            if place in self._recordings:
                recording = self._recordings.pop(place)
            else:
                recording = self._record(work, inputs)
            # The last one is the one that was used last.
            self._recordings[place] = recording
            while len(self._recordings) > self._most:
                del self._recordings[next(iter(self._recordings))]
            if recording is None:
                return work(*inputs)
            for own, given in zip(recording.inputs, inputs, strict=True):
                own.copy_(given)
            recording.replay()
            # The next recording may use their memory for what lies between.
            return tuple(output.clone() for output in recording.outputs)

    def run_filled(
        self, key: Hashable, work: Callable[..., Outputs], *inputs: torch.Tensor
    ) -> Outputs:
        """The same of inputs [N, ...] and results [N, ...], by recordings of few numbers.

        What is missing to the number of a recording is filled up with the last.
        """
        count = len(inputs[0])
        filled = (_filled(each, roomy(count)) for each in inputs)
        return tuple(output[:count] for output in self.run(key, work, *filled))

    def clear(self) -> None:
        """Forget all recordings, and with them their memory."""
        with self._lock:
            self._recordings.clear()

    def _record(self, work: Callable[..., Outputs], inputs: Outputs) -> Recording | None:
        self.tries += 1
        inputs = tuple(each.clone() for each in inputs)
        try:
            replay, outputs = self._capture(lambda: work(*inputs))
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                self._recordings.clear()
                torch.cuda.empty_cache()
            shapes = [list(each.shape) for each in inputs]
            _log.warning("Work on %s is done without a graph: %s", shapes, error)
            return None
        return Recording(work, inputs, replay, outputs)


def roomy(count: int) -> int:
    """The least number from `count` on that is a power of two, or three halves of one."""
    power = 1 << (count - 1).bit_length()
    return 3 * power // 4 if power > 2 and count <= 3 * power // 4 else power


def _filled(values: torch.Tensor, size: int) -> torch.Tensor:
    """[N, ...] → [size, ...], the last one repeated."""
    missing = size - len(values)
    if not missing:
        return values
    return torch.cat([values, values[-1:].expand(missing, *values.shape[1:])])
