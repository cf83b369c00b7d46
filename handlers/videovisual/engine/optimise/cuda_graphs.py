"""CUDA graphs: work that is recorded once and then replayed.

A network's pass is hundreds of kernels, which a GPU computes faster than Python can launch them. A
graph launches all of them in one call, on memory of its own.
"""

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import torch

Outputs = tuple[torch.Tensor, ...]

Capture = Callable[[Callable[[], Outputs]], tuple[Callable[[], object], Outputs]]
"""Records work on fixed tensors. Returns a function that replays it, and the work's results."""

WARM_UPS = 3
"""Runs before recording, in which libraries choose their kernels."""

MAX_RECORDINGS = 24
"""A recording of I3D takes up to half a gigabyte."""

_log = logging.getLogger(__name__)


class CudaCapture:
    """Records CUDA graphs. They share one pool of memory, since no two run at once.

    Args:
        device: of all tensors.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graphs: WeakSet[torch.cuda.CUDAGraph] = WeakSet()

    def __call__(self, work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        """See `Capture`."""
        with torch.cuda.device(self._device):
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UPS):
                    work()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the device meanwhile.
            with torch.cuda.graph(graph, self._pool(), capture_error_mode="thread_local"):
                outputs = work()
        self._graphs.add(graph)
        return graph.replay, outputs

    def _pool(self) -> Any:
        """The memory pool of any living graph, so that the pool ends with the last graph."""
        return next((graph.pool() for graph in self._graphs), None)


@dataclass(frozen=True)
class Recording:
    """Recorded work.

    Attributes:
        work: kept because it keeps the tensors that it reads beside its inputs.
        inputs, outputs: the tensors that the recording reads and writes.
        replay: runs the recording.
    """

    work: Callable[..., Outputs]
    inputs: Outputs
    replay: Callable[[], object]
    outputs: Outputs


class Recorder:
    """Runs work by recordings, one for each key and shapes of the inputs.

    Work that cannot be recorded, for lack of memory or else, runs as usual. Several threads may use
    one recorder.

    Args:
        capture: records work.
        most: the number of recordings that are kept; the least recently used go first.

    Attributes:
        attempts: how often a recording was tried.
    """

    def __init__(self, capture: Capture, most: int = MAX_RECORDINGS) -> None:
        self.attempts = 0
        self._capture = capture
        self._most = most
        self._recordings: dict[Hashable, Recording | None] = {}
        self._lock = threading.Lock()

    def run(self, key: Hashable, work: Callable[..., Outputs], *inputs: torch.Tensor) -> Outputs:
        """The results of `work(*inputs)`.

        Args:
            key: everything that the work depends on beside its inputs.
            work: must not read or write anything else, nor wait for the device. It is kept.
            inputs: all on one device.
        """
        place = (key, tuple(each.shape for each in inputs))
        with self._lock:
            if place in self._recordings:
                recording = self._recordings.pop(place)
            else:
                recording = self._record(work, inputs)
            # Dictionaries keep their order, so the most recently used recording is the last.
            self._recordings[place] = recording
            while len(self._recordings) > self._most:
                del self._recordings[next(iter(self._recordings))]
            if recording is None:
                return work(*inputs)
            for own, given in zip(recording.inputs, inputs, strict=True):
                own.copy_(given)
            recording.replay()
            # Copies, because the next recording may overwrite the outputs' memory.
            return tuple(output.clone() for output in recording.outputs)

    def run_padded(
        self, key: Hashable, work: Callable[..., Outputs], *inputs: torch.Tensor
    ) -> Outputs:
        """The same for inputs and results [N, ...], with recordings of few sizes.

        Inputs are padded to the next size of `padded_size` with their last row.
        """
        count = len(inputs[0])
        padded = (_pad(each, padded_size(count)) for each in inputs)
        return tuple(output[:count] for output in self.run(key, work, *padded))

    def clear(self) -> None:
        """Drop all recordings and their memory."""
        with self._lock:
            self._recordings.clear()

    def _record(self, work: Callable[..., Outputs], inputs: Outputs) -> Recording | None:
        self.attempts += 1
        inputs = tuple(each.clone() for each in inputs)
        try:
            replay, outputs = self._capture(lambda: work(*inputs))
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                self._recordings.clear()
                torch.cuda.empty_cache()
            shapes = [list(each.shape) for each in inputs]
            _log.warning("Inputs of shapes %s run without a CUDA graph: %s", shapes, error)
            return None
        return Recording(work, inputs, replay, outputs)


def padded_size(count: int) -> int:
    """The least number from `count` on that is a power of two, or three halves of one."""
    power = 1 << (count - 1).bit_length()
    return 3 * power // 4 if power > 2 and count <= 3 * power // 4 else power


def _pad(values: torch.Tensor, size: int) -> torch.Tensor:
    """[N, ...] → [size, ...], with the last row repeated."""
    missing = size - len(values)
    if not missing:
        return values
    return torch.cat([values, values[-1:].expand(missing, *values.shape[1:])])
