"""Folders of frames: which files are frames, and in which order."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from videovisual.errors import InvalidRequest, MalformedClip
from videovisual.utils.frame_names import in_order
from videovisual.utils.text import shown

MAX_FILES = 100_000
MAX_DEPTH = 8
_CLUTTER = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir")
_SHOWN = 3


def is_clutter(path: PurePath) -> bool:
    """Whether a relative path is of a file that systems leave behind, or begins with a dot."""
    return any(
        part.casefold() in _CLUTTER or (part.startswith(".") and part != "..")
        for part in path.parts
    )


def frame_files(folder: Path) -> list[Path]:
    """List the files of a folder that are its frames, in order.

    The files of subfolders count too. Names that begin with a dot and files that systems leave
    behind (`__MACOSX`, `Thumbs.db`, …) don't.

    Raises:
        OSError: the folder can't be read.
        InvalidRequest: it has a link to nothing, something that is no file, more than
            `MAX_FILES` files, or folders in it more than `MAX_DEPTH` deep.
        MalformedClip: the files are more than one sequence of pictures, or their names don't tell
            the order.
    """
    files = {}
    strange = []
    for path in _files(folder, MAX_DEPTH):
        name = path.relative_to(folder).as_posix()
        files[name] = path
        if not path.is_file():
            strange.append(name)
        if len(files) > MAX_FILES:
            raise InvalidRequest(
                f"{shown(str(folder))} holds more than {MAX_FILES} files. Give a folder that holds "
                "the frames of one clip."
            )
    if strange:
        raise MalformedClip(
            f"{len(strange)} of the {len(files)} entries of {shown(str(folder))} are links to "
            f"nothing or no files: {listed(strange)}. Restore or remove them.",
            entries=[shown(name) for name in strange[:50]],
        )
    return [files[name] for name in in_order(files)]


def listed(names: Sequence[str]) -> str:
    """A few of the names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(shown, names[:_SHOWN])) + more


def _files(folder: Path, depth: int) -> Iterator[Path]:
    if not depth:
        raise InvalidRequest(
            f"{shown(str(folder))} is more than {MAX_DEPTH} folders deep, or a link leads back. "
            "Give a folder that holds the frames themselves."
        )
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_clutter(PurePath(entry.name)):
                continue
            if entry.is_dir():
                yield from _files(Path(entry.path), depth - 1)
            else:
                yield Path(entry.path)
