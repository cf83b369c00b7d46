"""The key of a result: the same for the same clip, models, options and version of this package."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from videovisual.attribution import catalogue
from videovisual.protocol import check_classifies, split_options
from videovisual.utils.digest import file_sha256, json_sha256
from videovisual.utils.folder import frame_files
from videovisual.version import __version__

NO_MATTER = {"output", "stream", "priority", "partial", "partial_every_s", "timeout_s"}
"""Options that a finished answer doesn't depend on."""


def content_key(
    clip_sha256: str, classifiers: Sequence[str | None], options: Mapping[str, Any]
) -> str:
    """The key of a result.

    Args:
        clip_sha256: `clip_sha256` of the clip.
        classifiers: `Answer.classifier_sha256` of each model.
        options: all else that decides on the result; JSON values.
    """
    facts = {"clip": clip_sha256, "classifiers": list(classifiers), "options": options}
    return json_sha256({**facts, "version": __version__})


def clip_sha256(clip: Path) -> str:
    """SHA-256 of a clip's file, or of the names and bytes of its frames in order.

    Raises:
        VideoVisualError: the folder holds no clip.
        OSError: it can't be read.
    """
    if not clip.is_dir():
        return file_sha256(clip)
    digest = hashlib.sha256()
    for path in frame_files(clip):
        name = os.fsencode(path.relative_to(clip))
        digest.update(b"%d:%s:%s" % (len(name), name, file_sha256(path).encode()))
    return digest.hexdigest()


def request_options(methods: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """A request's options with every default filled in, so that two spellings have one key.

    Args:
        methods: names of the catalogue; none for a classification.
        given: the options, and the methods' parameters, each for those methods that have it.

    Raises:
        InvalidParameter, UnknownMethod: an option is unknown, or its value out of its range.
    """
    options, rest = split_options(given)
    entries = [catalogue.find(name) for name in methods]
    if not entries:
        check_classifies(options, rest)
    parameters = {}
    for entry in entries:
        known = entry.parameters.model_fields
        own = {name: rest[name] for name in rest if len(entries) == 1 or name in known}
        parameters[entry.name] = entry.parse(own).model_dump(mode="json")
    facts = options.model_dump(mode="json", exclude=NO_MATTER)
    return {**facts, "method": [entry.name for entry in entries], "parameters": parameters}
