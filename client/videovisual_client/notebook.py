"""A running job in a notebook: a bar that moves until its end."""

from collections.abc import Iterator
from html import escape

from videovisual_client.errors import VideoVisualError
from videovisual_client.events import Progress
from videovisual_client.job import Job


def bars(job: Job) -> Iterator[str]:
    """The job's bar as HTML, again after every event, and at the end what came out.

    Reads the job to its end. A job that fails ends with its message; `Job.result` raises it.
    """
    waits = f"waiting for {job.queue} others" if job.queue else "starting"
    yield _bar(waits)
    for event in job:
        if isinstance(event, Progress):
            yield _bar(_words(event), event.step, event.of)
    try:
        best = job.answer().predictions[0]
    except VideoVisualError as error:
        yield _bar(f"{error.code}: {error.message}", 0, 1)
    else:
        yield _bar(f"done: {best.label} ({best.score})", 1, 1)


def _words(event: Progress) -> str:
    words = [event.method, f"step {event.step} of {event.of}"]
    if event.eta_s is not None:
        words.append(f"{event.eta_s:.0f} s left")
    return ", ".join(filter(None, words))


def _bar(words: str, step: int | None = None, of: int = 1) -> str:
    value = "" if step is None else f' value="{step}" max="{of}"'
    return f"<label><progress{value}></progress> {escape(words)}</label>"
