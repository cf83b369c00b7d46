"""A folder of clips on disk."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from videovisual.utils.animation import is_animated
from videovisual.utils.folder import is_clutter, listed
from videovisual.utils.frame_names import PICTURE_SUFFIXES, natural
from videovisual.utils.suffixes import CLIP_SUFFIXES, PERHAPS_ANIMATED, RECORD_SUFFIX
from videovisual.utils.text import readable, shown
from videovisual_client.errors import InvalidRequest
from videovisual_client.label_list import ListedLabel, read_list

RESERVED = ("summary", "index")
"""Names of the files beside the results."""

RECORD = RECORD_SUFFIX.removesuffix(".json")
"""A clip `a.evidence` would have its answer where the record of the clip `a` is."""

LONGEST_NAME = 180
"""Bytes of a name; file systems take 255, and a suffix comes behind it."""

_KINETICS = re.compile(r".+_\d{6}_\d{6}")
"""A YouTube id, which may contain `-`, with start and end in seconds."""

_DEPTH = 4


@dataclass(frozen=True)
class NamedClip:
    """One clip of a folder of clips.

    Attributes:
        path: a video file, or a folder of frames.
        name: unique in the folder, with `/` behind the name of a class folder.
        label: its class, from the list, the class folder, or the part of its name before the first
            `-`; None without one.
        number: of its class in the list, until the model's classes are known.
    """

    path: Path
    name: str
    label: str | None
    number: int | None = None


@dataclass(frozen=True)
class Collection:
    """The clips of a folder, and what else is there.

    Attributes:
        clips: in natural order of their names.
        left_out: what is no clip, each with the reason.
        missing: entries of the list that no clip has.
        unlisted: names of clips that the list leaves out.
    """

    clips: Sequence[NamedClip]
    left_out: Sequence[str] = ()
    missing: Sequence[str] = ()
    unlisted: Sequence[str] = ()

    def remarks(self) -> Iterator[str]:
        """A sentence about each kind of thing that doesn't count."""
        for about, names in (
            ("left out, because they are no clips", self.left_out),
            ("in the list, but not in the folder", self.missing),
            ("in the folder, but not in the list", self.unlisted),
        ):
            if names:
                yield f"{about}: {len(names)} ({listed(names)})"


@dataclass
class _Content:
    """What one folder holds, in natural order of names."""

    clips: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    @property
    def is_clip(self) -> bool:
        """Whether it is the frames of one clip, perhaps with something that spoils it."""
        return len(self.pictures) > (1 if self.clips or self.folders else 0)


def clips_in(folder: Path | bytes, labels_from: Path | None = None) -> Collection | None:
    """The clips of a folder of clips; None for a single clip.

    A folder of clips holds video files, folders of frames, or class folders with these in them.

    Args:
        folder: what CLIP stands for.
        labels_from: a list of clips with their labels; see `read_list`.

    Raises:
        InvalidRequest: it holds frames and clips; or the list can't be read, or has none of them.
    """
    if isinstance(folder, bytes) or not folder.is_dir():
        if labels_from is not None:
            raise InvalidRequest("--labels-from is for a folder of clips; CLIP is a single one.")
        return None
    content = _content(folder)
    if labels_from is not None:
        return _listed(folder, labels_from)
    if not content.clips and not content.folders:
        return None
    if content.is_clip:
        beside = listed([path.name for path in (*content.clips, *content.folders)])
        raise InvalidRequest(
            f"{shown(str(folder))} holds {len(content.pictures)} pictures and, beside them, "
            f"{beside}. Is it one clip, or a folder of clips? Move the pictures into a folder of "
            "their own, or the others away."
        )
    clips, left_out = _clips(folder, content)
    return Collection(_uniquely_named(clips), left_out)


def _content(folder: Path) -> _Content:
    found = _Content()
    animated: bool | None = None
    for path in sorted(folder.iterdir(), key=lambda path: natural(path.name)):
        suffix = path.suffix.lower()
        if is_clutter(Path(path.name)):
            continue
        if path.is_dir():
            is_empty = all(is_clutter(Path(each.name)) for each in path.iterdir())
            (found.others if is_empty else found.folders).append(path)
        elif not path.is_file():
            found.others.append(path)
        elif suffix in CLIP_SUFFIXES:
            found.clips.append(path)
        elif suffix in PICTURE_SUFFIXES:
            # A folder of frames may have thousands, of which the first tells.
            if suffix in PERHAPS_ANIMATED and animated is not False:
                animated = is_animated(path)
            (found.clips if animated and is_animated(path) else found.pictures).append(path)
        else:
            found.others.append(path)
    return found


def _clips(
    folder: Path, content: _Content, label: str | None = None
) -> tuple[list[NamedClip], list[str]]:
    """The clips of a folder and of the class folders in it, and what is left out."""
    paths = list(content.clips)
    classes: list[tuple[Path, _Content]] = []
    left_out = [_described(path) for path in (*content.others, *content.pictures)]
    for path in content.folders:
        inner = _content(path)
        if inner.is_clip:
            paths.append(path)
        elif (inner.clips or inner.folders) and label is None:
            classes.append((path, inner))
        else:
            why = "deeper folders" if inner.folders else "no clip in it"
            left_out.append(f"{readable(path.name)}/ ({why})")
    clips = [
        NamedClip(path, name, label_of(readable(_stem(path))) if label is None else label)
        for path, name in zip(paths, _names(paths), strict=True)
    ]
    for path, inner in classes:
        name = readable(path.name)
        theirs, others = _clips(path, inner, name)
        clips += [replace(clip, name=f"{name}/{clip.name}") for clip in theirs]
        left_out += [f"{name}/{other}" for other in others]
    return sorted(clips, key=lambda clip: natural(clip.name)), left_out


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each path: without its suffix, unless another has the same."""
    stems = [_stem(path) for path in paths]
    taken = Counter(name.casefold() for name in (*stems, *RESERVED))
    taken.update(path.name.casefold() for path in paths if _stem(path) != path.name)
    return [
        readable(path.name if taken[stem.casefold()] > 1 else stem)
        for path, stem in zip(paths, stems, strict=True)
    ]


def _uniquely_named(clips: Sequence[NamedClip]) -> list[NamedClip]:
    """The clips with names that differ in more than case, and that a file can have."""
    seen = {name.casefold() for name in RESERVED}
    named = []
    for clip in clips:
        parent, slash, name = clip.name.rpartition("/")
        if len(name.encode()) > LONGEST_NAME:
            digest = hashlib.sha256(name.encode()).hexdigest()[:12]
            name = f"{name.encode()[: LONGEST_NAME - 13].decode('utf-8', 'ignore')}-{digest}"
        while f"{parent}{slash}{name}".casefold() in seen:
            name += "_"
        own = f"{parent}{slash}{name}".casefold()
        seen |= {own, f"{own}.{RECORD}"}
        named.append(replace(clip, name=f"{parent}{slash}{name}"))
    return named


def _described(path: Path) -> str:
    if path.is_dir():
        return f"{readable(path.name)}/ (empty)"
    return readable(path.name) + ("" if path.exists() else " (a link to nothing)")


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def label_of(stem: str) -> str | None:
    """The label in the name of a clip: the part before the first `-`; None without one."""
    label, separator, _ = stem.partition("-")
    return label if separator and label and not _KINETICS.fullmatch(stem) else None


def _listed(folder: Path, labels_from: Path) -> Collection:
    """The clips of a folder that a list names, with the list's labels."""
    everything = list(_every_clip(folder, _DEPTH))
    places: dict[str, list[Path]] = {}
    for path in everything:
        parts = path.relative_to(folder).parts
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            bare = tail.removesuffix(path.suffix) if path.is_file() else tail
            for key in {tail, bare}:
                places.setdefault(key, []).append(path)
    labels, missing = read_list(labels_from, places)
    if not labels:
        raise InvalidRequest(
            f"None of the {len(missing)} entries of {shown(labels_from.name)} is a clip in "
            f"{shown(str(folder))}: {listed(missing)}. Its paths begin in that folder."
        )
    paths = [path for path in everything if path in labels]
    clips = []
    for parent in sorted({path.parent for path in paths}):
        here = [path for path in paths if path.parent == parent]
        before = parent.relative_to(folder).as_posix()
        for path, name in zip(here, _names(here), strict=True):
            label = labels[path]
            if before != ".":
                name = f"{readable(before)}/{name}"  # noqa: PLW2901
                if label == ListedLabel():
                    label = ListedLabel(readable(parent.name))
            clips.append(NamedClip(path, name, label.name, label.number))
    unlisted = [
        readable(path.relative_to(folder).as_posix()) for path in everything if path not in labels
    ]
    return Collection(_uniquely_named(clips), (), missing, unlisted)


def _every_clip(folder: Path, depth: int) -> Iterator[Path]:
    content = _content(folder)
    yield from content.clips
    for path in content.folders:
        if _content(path).is_clip:
            yield path
        elif depth > 1:
            yield from _every_clip(path, depth - 1)
