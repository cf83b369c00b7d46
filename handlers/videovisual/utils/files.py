"""Files that are written whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from videovisual.errors import WriteError


def check_writable(path: Path) -> None:
    """Check, before the work, that a file can be written. Makes neither the file nor its folder.

    Raises:
        WriteError: it can't.
    """
    with _told(path):
        if _is_stream(path):
            return
        target = path.resolve()
        _check(target)
        folder = target.parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is a file")
        # Permissions alone don't tell: the file system may be read-only, or no place for files.
        probe = _draft(folder)
        probe.touch(exist_ok=False)
        probe.unlink()


def write_whole(path: Path, data: bytes | str) -> Path:
    """Write a file, and the folders that it needs; text as UTF-8, its line breaks as they are.

    An existing file keeps its content until the new one is complete.

    Raises:
        WriteError: it can't be written; nothing of it is left.
    """
    with whole_file(path) as draft:
        draft.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, in the folder of `path`, which it replaces at the end of the block.

    Raises:
        WriteError: it can't be written; nothing of it is left.
    """
    with _told(path):
        if _is_stream(path):
            yield path
            return
        # A link keeps its place, and the file that it names is replaced.
        target = path.resolve()
        _check(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = _draft(target.parent)
        try:
            yield draft
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    """Whether this is a pipe or a device, which takes what is written to it.

    By its own name: what `/dev/stderr` links to has none where it is a pipe.
    """
    return path.exists() and not path.is_file() and not path.is_dir() and os.access(path, os.W_OK)


def _check(target: Path) -> None:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it may not be changed")


def _draft(folder: Path) -> Path:
    # Short, because the file's own name may have the greatest length already.
    return folder / f".videovisual-{secrets.token_hex(6)}.part"


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        # RuntimeError and ValueError: links in a circle, and a null character.
        reason = getattr(error, "strerror", None) or error
        raise WriteError(
            f"{str(path)[-200:]} can't be written: {reason}. Choose another place, or make room.",
            path=str(path),
        ) from None
