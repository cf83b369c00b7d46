"""A running job in a notebook: a bar that moves until its end."""

from collections.abc import Callable, Iterable, Iterator
from html import escape

from videovisual.protocol import Answer
from videovisual_client.errors import VideoVisualError
from videovisual_client.events import Event, Progress


def bars(queue: int, events: Iterable[Event], answer: Callable[[], Answer]) -> Iterator[str]:
    """A job's bar as HTML, again after every event, and at the end what came out.

    Args:
        queue: how many jobs were before it.
        events: the job's, which are read to their end.
        answer: the job's answer; what it raises is shown.
    """
    yield _bar(f"waiting for {queue} others" if queue else "starting")
    for event in events:
        if isinstance(event, Progress):
            yield _bar(_words(event), event.step, event.of)
    try:
        best = answer().predictions[0]
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
