"""A folder of clips whose clips a model inspects in this process: labels, and finished records."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from videovisual.utils.files import write_whole
from videovisual.utils.folder import listed
from videovisual.utils.text import shown
from videovisual.version import __version__
from videovisual_client.batch import sha256_of
from videovisual_client.collection import NamedClip, clips_in
from videovisual_client.errors import InvalidRequest, VideoVisualError
from videovisual_client.labels import class_of, named


class Finding(Protocol):
    """What is found of a clip."""

    def to_json(self) -> dict[str, Any]:
        """It as JSON values."""


Found = TypeVar("Found", bound=Finding)


@dataclass(frozen=True)
class Dataset:
    """The clips of a folder, and their classes among a model's.

    Attributes:
        clips: in natural order of their names.
        classes: index of each clip's class in the model, by name; clips without one are left out.
        remarks: sentences about what doesn't count.
    """

    clips: Sequence[NamedClip]
    classes: Mapping[str, int]
    remarks: Sequence[str]

    @classmethod
    def of(cls, folder: Path, labels_from: Path | None, classes: Sequence[str]) -> "Dataset":
        """Read a folder of clips.

        Args:
            folder: video files, folders of frames, or class folders with these in them.
            labels_from: a list of the clips with their labels.
            classes: the model's, by index.

        Raises:
            InvalidRequest: there is no folder of clips, or none of its labels is a class of the
                model.
        """
        found = clips_in(folder, labels_from)
        if found is None or not found.clips:
            there = "" if found is None else f" ({listed(found.left_out)})"
            raise InvalidRequest(
                f"{shown(str(folder))} holds no folder of clips{there}. Give a folder with video "
                "files, folders of frames, or class folders with these in them."
            )
        clips, remark = named(found.clips, classes)
        places = {name: index for index, name in enumerate(classes)}
        known = {
            clip.name: places[label]
            for clip in clips
            if clip.label is not None and (label := class_of(clip.label, classes)) is not None
        }
        other = sorted({clip.label for clip in clips if clip.label and clip.name not in known})
        if other and not known:
            raise InvalidRequest(
                f"None of the {len(other)} labels is a class of the model: {listed(other)}. Its "
                f"classes are {listed(classes)}. Rename the class folders, or give a list with "
                "--labels-from."
            )
        remarks = [*found.remarks(), *([remark] if remark else [])]
        if other:
            remarks.append(
                f"labels that are no class of the model, so they don't count: {len(other)} "
                f"({listed(other)})"
            )
        return cls(clips, known, remarks)


class Records(Generic[Found]):
    """What was found of each clip, from which a stopped run continues.

    A record counts if the clip's content, the request and the version of this package are the same.

    Args:
        folder: of the records, one JSON and one picture a clip.
        request: all that decides on a record, beside the clip; JSON values.
        read: the inverse of `Found.to_json`.
    """

    def __init__(
        self, folder: Path, request: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Found]
    ) -> None:
        self._folder, self._read = folder, read
        self._request = json.loads(json.dumps(request, default=str))

    def find(self, clip: NamedClip) -> Found | None:
        """The clip's record, if there is one that counts."""
        try:
            record = json.loads(self._path(clip.name, "json").read_text("utf-8"))
            same = record["request"] == self._request and record["version"] == __version__
            if same and record["sha256"] == sha256_of(clip.path):
                return self._read(record["found"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, VideoVisualError):
            return None
        return None

    def keep(self, clip: NamedClip, sha256: str, found: Found, picture: bytes) -> None:
        """Write a record, and last the JSON that says that it is finished.

        Args:
            clip: the clip.
            sha256: `sha256_of` the clip, from before it was read.
            found: what it holds.
            picture: a JPEG.
        """
        path = self._path(clip.name, "json")
        path.unlink(missing_ok=True)
        write_whole(self._path(clip.name, "jpg"), picture)
        record = {
            "clip": clip.name,
            "sha256": sha256,
            "request": self._request,
            "version": __version__,
            "found": found.to_json(),
        }
        write_whole(path, json.dumps(record))

    def picture(self, name: str) -> bytes | None:
        """The picture of a clip, by its name."""
        try:
            return self._path(name, "jpg").read_bytes()
        except OSError:
            return None

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}.{suffix}"


def run(
    clips: Sequence[NamedClip],
    records: Records[Found],
    work: Callable[[NamedClip], tuple[Found, bytes]],
    *,
    fresh: bool = False,
) -> Iterator[tuple[NamedClip, Found | VideoVisualError]]:
    """Each clip's record, from an earlier run or made now, or the error that it met.

    Args:
        clips: of the data set.
        records: where they are kept.
        work: finds it, and draws its picture.
        fresh: make all records again.

    Raises:
        WriteError: a record can't be written.
    """
    for clip in clips:
        known = None if fresh else records.find(clip)
        if known is not None:
            yield clip, known
            continue
        try:
            digest = sha256_of(clip.path)
            found, picture = work(clip)
        except VideoVisualError as error:
            yield clip, error
        except OSError as error:
            yield clip, InvalidRequest(f"It can't be read: {error.strerror or error}.")
        else:
            records.keep(clip, digest, found, picture)
            yield clip, found
