"""Files that the page sends: clips and reports."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from videovisual.clips.limits import MIB, Limits
from videovisual.errors import InvalidRequest, TooLarge, WriteError
from videovisual_client.viewer.history import Facts
from videovisual_client.viewer.session import Session

MAX_BYTES = Limits().max_bytes
"""Largest clip, as results are drawn over it; the server may have a lower limit."""


async def receive(request: Request, session: Session, kind: str) -> Facts:
    """Keep the body of a request, whose query parameter `name` is the file's name.

    Args:
        request: its body is the file.
        session: keeps it.
        kind: `clip` or `report`.

    Raises:
        VideoVisualError: it is too large, empty, or no clip.
        WriteError: it can't be stored.
    """
    name = request.query_params.get("name", kind)[:200]
    history = session.history
    key = await run_in_threadpool(history.new)
    try:
        size = await _written(request, history.content(key))
        if size == 0:
            raise InvalidRequest("The file is empty. Choose a video, a GIF, a zip or an npz.")
        if kind == "report":
            return await run_in_threadpool(history.add, key, kind, name)
        return await run_in_threadpool(session.add_clip, key, name)
    except BaseException:
        history.remove(key)
        raise


async def _written(request: Request, path: Path) -> int:
    """The bytes of a body, which is written to a file."""
    size = 0
    try:
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BYTES:
                    raise TooLarge(
                        f"The file is larger than {MAX_BYTES // MIB} MiB, the viewer's limit. "
                        "Cut the clip, or encode it smaller.",
                        allowed=MAX_BYTES,
                    )
                await run_in_threadpool(file.write, chunk)
    except OSError as error:
        raise WriteError(
            f"The file can't be stored: {error.strerror}. Make room in {path.parent.parent}."
        ) from None
    return size
