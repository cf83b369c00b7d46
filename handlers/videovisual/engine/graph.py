"""Passes that are recorded once and then replayed.

A small network's pass is hundreds of kernels that a GPU computes sooner than Python can name them.
Recorded as one graph, on memory of their own, all of them are asked for in one call.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch

Outputs = tuple[torch.Tensor, ...]

Capture = Callable[[Callable[[], Outputs]], tuple[Callable[[], object], Outputs]]
"""Records work whose tensors stay where they are: what does it again, and where its results lie."""

WARM_UPS = 3
"""Passes before one is recorded, in which libraries choose their kernels."""

_log = logging.getLogger(__name__)


class CudaCapture:
    """Records by CUDA graphs, which share one pool of memory, since they take turns.

    Args:
        device: of all tensors.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

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
            with torch.cuda.graph(graph, self._pool, capture_error_mode="thread_local"):
                outputs = work()
        return graph.replay, outputs


@dataclass(frozen=True)
class Recording:
    """One recorded pass.

    Attributes:
        clips, targets: where its inputs lie, [N, 3, T, H, W] and [N].
        replay: does it again.
        outputs: where its results lie, [N, ...] each.
    """

    clips: torch.Tensor
    targets: torch.Tensor
    replay: Callable[[], object]
    outputs: Outputs


class Recorder:
    """Runs passes by recordings, one for each kind of pass and each power of two of clips.

    Fewer clips are filled up with their last. What can't be recorded is run as it is. Several
    threads may use one.

    Args:
        capture: records a pass.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._recordings: dict[Hashable, Recording | None] = {}
        self._lock = threading.Lock()

    def run(
        self,
        key: Hashable,
        work: Callable[[torch.Tensor, torch.Tensor], Outputs],
        clips: torch.Tensor,
        targets: torch.Tensor,
    ) -> Outputs:
        """The results of `work(clips, targets)`, [N, ...] each.

        Args:
            key: what the pass depends on beside its inputs' values and number.
            work: reads and writes nothing else, and waits for nothing that is computed.
            clips, targets: [N, 3, T, H, W] and [N].
        """
        count = len(clips)
        size = 1 << (count - 1).bit_length()
        with self._lock:
            place = (key, size)
            if place not in self._recordings:
                self._recordings[place] = self._record(work, clips, targets, size)
            recording = self._recordings[place]
            if recording is None:
                return work(clips, targets)
            recording.clips.copy_(_filled(clips, size))
            recording.targets.copy_(_filled(targets, size))
            recording.replay()
            return tuple(output[:count].clone() for output in recording.outputs)

    def clear(self) -> None:
        """Forget all recordings, and with them their memory."""
        with self._lock:
            self._recordings.clear()

    def _record(
        self,
        work: Callable[[torch.Tensor, torch.Tensor], Outputs],
        clips: torch.Tensor,
        targets: torch.Tensor,
        size: int,
    ) -> Recording | None:
        clips, targets = _filled(clips, size).clone(), _filled(targets, size).clone()
        try:
            replay, outputs = self._capture(lambda: work(clips, targets))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            _log.warning("A pass of %s is run without a graph: %s", list(clips.shape), error)
            return None
        return Recording(clips, targets, replay, outputs)


def _filled(values: torch.Tensor, size: int) -> torch.Tensor:
    """[N, ...] → [size, ...], the last one repeated."""
    missing = size - len(values)
    return torch.cat([values, values[-1:].expand(missing, *values.shape[1:])])
