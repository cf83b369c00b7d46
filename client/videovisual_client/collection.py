"""A folder of clips on disk."""

import re
from dataclasses import dataclass
from pathlib import Path

from videovisual.utils.frame_names import natural

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".npz", ".zip")


@dataclass(frozen=True)
class NamedClip:
    """One clip of a folder of clips.

    Attributes:
        path: a video file, or a folder of frames.
        name: unique in the folder.
        label: the part of the name before the first `-`; None without one.
    """

    path: Path
    name: str
    label: str | None


def clips_in(folder: Path | bytes) -> list[NamedClip] | None:
    """The clips of a folder of clips, in natural order of their names; None for anything else.

    A folder of clips holds video files or folders of frames. Names that begin with a dot are
    skipped.
    """
    if isinstance(folder, bytes) or not folder.is_dir():
        return None
    paths = [
        path
        for path in sorted(folder.iterdir(), key=lambda path: natural(path.name))
        if path.name[0] != "." and (path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES)
    ]
    if not paths:
        return None
    stems = [path.stem if path.is_file() else path.name for path in paths]
    return [
        # Files with equal stems keep their suffixes, so that no result overwrites another.
        NamedClip(path, path.name if stems.count(stem) > 1 else stem, _label(stem))
        for path, stem in zip(paths, stems, strict=True)
    ]


def same_class(label: str, other: str) -> bool:
    """Whether two labels are equal up to case, spaces and punctuation."""
    return _plain(label) == _plain(other)


def _label(stem: str) -> str | None:
    label, separator, _ = stem.partition("-")
    return label if separator and label else None


def _plain(label: str) -> str:
    return re.sub(r"[\W_]+", " ", label.lower()).strip()
