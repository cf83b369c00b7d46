"""The clips of a data set: a folder, a glob or a manifest, at any address."""

import glob
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import fsspec
import pyarrow as pa
from pyarrow import csv, parquet

from videovisual.utils.folder import is_clutter, listed
from videovisual.utils.suffixes import CLIP_SUFFIXES
from videovisual.utils.text import shown
from videovisual_client.bulk.address import is_local, opened, reading
from videovisual_client.collection import clips_in, label_of
from videovisual_client.errors import InvalidRequest

SCHEMA = pa.schema([("clip", pa.string()), ("label", pa.string())])
CLIP_COLUMNS = ("clip", "path", "file", "filename", "video", "url")
LABEL_COLUMNS = ("label", "class")
MANIFESTS = (".csv", ".parquet")
PIECE = 4096
"""How many clips are put into columns at once."""


@dataclass(frozen=True)
class Listing:
    """The clips of a data set.

    Attributes:
        clips: of `SCHEMA`: each clip's address, and its label or null.
        remarks: sentences about what is left out.
    """

    clips: pa.Table
    remarks: Sequence[str] = ()


def list_clips(address: str) -> Listing:
    """The clips that CLIPS names, which are not read.

    Args:
        address: of a folder of clips, a clip, a glob, or a manifest: `.csv` or `.parquet` with a
            column `clip`, whose paths begin in the manifest's folder, and perhaps `label`. Without
            a manifest a label is the name of a clip's class folder, or the part of the clip's own
            name before the first `-`.

    Raises:
        InvalidRequest: it names no clip, or it can't be read.
    """
    system, path = opened(address)
    with reading(address):
        if is_local(system) and Path(path).is_dir():
            found = _folder(Path(path))
        elif posixpath.splitext(path)[1].lower() in MANIFESTS:
            found = _manifest(system, path)
        elif glob.has_magic(path):
            fixed = posixpath.dirname(re.split(r"[*?[]", path, maxsplit=1)[0])
            found = _files(system, fixed, system.glob(path))
        else:
            root = path if system.isdir(path) else posixpath.dirname(path)
            found = _files(system, root, system.find(path))
    if not found.clips.num_rows:
        raise InvalidRequest(
            f"{shown(address)} names no clip. Give a folder of clips, a glob as 'clips/*/*.mp4', "
            f"or a manifest ({' or '.join(MANIFESTS)})."
        )
    return found


def _folder(folder: Path) -> Listing:
    """As in the folder commands, so folders of frames are clips too."""
    found = clips_in(folder)
    if found is None:
        raise InvalidRequest(
            f"{shown(str(folder))} holds no clips, or is a clip itself. Give a folder with video "
            "files, folders of frames, or class folders with these in them."
        )
    rows = ((str(clip.path), clip.label) for clip in found.clips)
    return Listing(_table(rows), list(found.remarks()))


def _files(system: fsspec.AbstractFileSystem, root: str, paths: Sequence[str]) -> Listing:
    """The files among these paths that are clips, by their suffixes."""
    left_out: list[str] = []

    def rows() -> Iterator[tuple[str, str | None]]:
        for path in paths:
            name = PurePosixPath(posixpath.relpath(path, root))
            if is_clutter(name):
                continue
            if name.suffix.lower() not in CLIP_SUFFIXES:
                left_out.append(str(name))
                continue
            label = name.parent.name or label_of(name.stem)
            yield path if is_local(system) else system.unstrip_protocol(path), label

    table = _table(rows())
    remark = f"left out, because they are no clips: {len(left_out)} ({listed(left_out)})"
    return Listing(table, [remark] if left_out else [])


def _manifest(system: fsspec.AbstractFileSystem, path: str) -> Listing:
    as_text = csv.ConvertOptions(
        column_types=dict.fromkeys((*CLIP_COLUMNS, *LABEL_COLUMNS), pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )
    with system.open(path, "rb") as file:
        if path.lower().endswith(".csv"):
            table = csv.read_csv(file, convert_options=as_text)
        else:
            table = parquet.read_table(file)
    clips = _column(table, CLIP_COLUMNS)
    if clips is None or clips.null_count:
        missing = "column of clips" if clips is None else "clip in some rows"
        raise InvalidRequest(
            f"{shown(path)} has no {missing}. A manifest has a column called "
            f"{', '.join(CLIP_COLUMNS)}, with a path or an address in each row; labels are in one "
            f"called {' or '.join(LABEL_COLUMNS)}."
        )
    labels = _column(table, LABEL_COLUMNS)
    folder = posixpath.dirname(path)
    here = folder if is_local(system) else system.unstrip_protocol(folder)

    def rows() -> Iterator[tuple[str, str | None]]:
        for index, clip in enumerate(clips):
            address = clip.as_py()
            if "://" not in address and not posixpath.isabs(address):
                address = f"{here}/{address}"
            yield address, None if labels is None else labels[index].as_py()

    return Listing(_table(rows()))


def _column(table: pa.Table, names: Sequence[str]) -> pa.ChunkedArray | None:
    """The first of these columns that there is, as text."""
    for name in names:
        if name in table.column_names:
            return table.column(name).cast(pa.string())
    return None


def _table(rows: Iterable[tuple[str, str | None]]) -> pa.Table:
    """A table of `SCHEMA`, made a piece at a time: objects take more memory than columns."""
    remaining = iter(rows)
    pieces = []
    while piece := list(islice(remaining, PIECE)):
        columns = [pa.array(column, pa.string()) for column in zip(*piece, strict=True)]
        pieces.append(pa.Table.from_arrays(columns, schema=SCHEMA))
    return pa.concat_tables(pieces) if pieces else SCHEMA.empty_table()
