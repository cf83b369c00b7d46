"""A folder of clips whose clips a model inspects in this process: labels, and finished records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from videovisual.utils.folder import listed
from videovisual.utils.text import shown
from videovisual_client.collection import NamedClip, clips_in
from videovisual_client.content_key import clip_sha256, content_key
from videovisual_client.errors import InvalidRequest, VideoVisualError
from videovisual_client.labels import class_of, named
from videovisual_client.records import Folder, Records


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


class Findings(Generic[Found]):
    """What was found of each clip: a record and a picture a clip.

    Args:
        folder: of the records.
        classifiers: `Answer.classifier_sha256` of each model.
        request: all else that decides on what is found, beside the clip; JSON values.
        read: the inverse of `Found.to_json`.
    """

    def __init__(
        self,
        folder: Path,
        classifiers: Sequence[str | None],
        request: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], Found],
    ) -> None:
        self._folder = Folder(folder)
        self._records = Records(self._folder)
        self._classifiers, self._request, self._read = classifiers, request, read

    def key(self, clip: NamedClip) -> str:
        """The key of what is found of a clip; raises as `clip_sha256`."""
        return content_key(clip_sha256(clip.path), self._classifiers, self._request)

    def find(self, clip: NamedClip, key: str) -> Found | None:
        """What was found of a clip under this key, if there is a record of it."""
        record = self._records.find(clip.name, key)
        try:
            return None if record is None else self._read(record["found"])
        except (ValueError, KeyError, TypeError, AttributeError, VideoVisualError):
            return None

    def keep(self, clip: NamedClip, key: str, found: Found, picture: bytes) -> None:
        """Write a record; the picture is a JPEG.

        Raises:
            WriteError: it can't be written.
        """
        content = {"clip": clip.name, "request": self._request, "found": found.to_json()}
        self._records.keep(clip.name, key, content, {"jpg": picture})

    def picture(self, name: str) -> bytes | None:
        """The picture of a clip, by its name."""
        try:
            return self._folder.read(f"{name}.jpg")
        except OSError:
            return None


def run(
    clips: Sequence[NamedClip],
    findings: Findings[Found],
    work: Callable[[NamedClip], tuple[Found, bytes]],
    *,
    fresh: bool = False,
) -> Iterator[tuple[NamedClip, Found | VideoVisualError]]:
    """What is found of each clip, in an earlier run or now, or the error that it met.

    Args:
        clips: of the data set.
        findings: where it is kept.
        work: finds it, and draws its picture.
        fresh: find all of it again.

    Raises:
        WriteError: a record can't be written.
    """
    for clip in clips:
        try:
            key = findings.key(clip)
            known = None if fresh else findings.find(clip, key)
            if known is not None:
                yield clip, known
                continue
            found, picture = work(clip)
        except VideoVisualError as error:
            yield clip, error
        except OSError as error:
            yield clip, InvalidRequest(f"It can't be read: {error.strerror or error}.")
        else:
            findings.keep(clip, key, found, picture)
            yield clip, found
