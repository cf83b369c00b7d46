"""What Ctrl-C does while a command waits for a job."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from videovisual_client.errors import Cancelled
from videovisual_client.job import Job
from videovisual_client.terminal import log


@contextmanager
def stopped_by_interrupt(job: Job) -> Iterator[None]:
    """Have the first Ctrl-C cancel the job, and the second one interrupt the command.

    A search that was submitted with `partial=True` answers the first with its best map so far.

    Raises:
        KeyboardInterrupt: the job had no map yet.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or before is not signal.default_int_handler:
        yield
        return
    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, before)
        log.print("stopping; a search keeps its best map so far, and Ctrl-C again drops it")
        # In a thread, because the signal may have come in the middle of the job's own reading.
        threading.Thread(target=job.cancel, daemon=True).start()

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Cancelled:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
