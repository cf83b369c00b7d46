"""What files' names end in: clips, in lower case, and evidence records.

A single file is read by its content, whatever its name. In a folder of clips the suffix decides.
"""

from pathlib import Path

from videovisual.errors import InvalidParameter

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".webm", ".mkv", ".avi", ".gif"),
    *(".ts", ".m2ts", ".mts", ".m2t", ".mpg", ".mpeg", ".vob", ".wmv", ".asf", ".apng"),
)
"""Suffixes of videos that are read."""

REFUSED_SUFFIXES = (".flv", ".ogv", ".rm", ".mxf", ".m2v", ".y4m", ".ivf")
"""Suffixes of videos that are refused by name. In a folder such a clip fails by itself."""

CLIP_SUFFIXES = (*VIDEO_SUFFIXES, *REFUSED_SUFFIXES, ".npz", ".zip")
PERHAPS_ANIMATED = (".png", ".webp")
"""Suffixes of pictures that may be animated, which the content tells."""

RECORD_SUFFIX = "evidence.json"
"""What the name of an evidence record ends in: `evidence.json`, `clip.evidence.json`."""


def is_record_name(path: Path) -> bool:
    """Whether a file of this name is written as an evidence record."""
    return path.name.lower().endswith(RECORD_SUFFIX)


def check_signs(path: Path, key: object) -> None:
    """Raises InvalidParameter where a key is given for a file that isn't signed."""
    if key is not None and not is_record_name(path):
        raise InvalidParameter(
            f"{path.name} can't be signed: a key signs evidence records, whose names end in "
            f"{RECORD_SUFFIX}. Leave the key out, or name the file so.",
            parameter="key",
        )
