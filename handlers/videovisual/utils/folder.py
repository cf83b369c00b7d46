"""Folders of frames, and their natural order."""

import re
from pathlib import Path


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key by which `frame2` comes before `frame10`."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def frame_files(folder: Path) -> list[Path]:
    """List the files of a folder that are its frames, in natural order of their names.

    Subfolders and names that begin with a dot are left out.

    Raises:
        OSError: the folder can't be read.
    """
    files = [file for file in folder.iterdir() if file.is_file() and file.name[0] != "."]
    return sorted(files, key=lambda file: natural(file.name))
