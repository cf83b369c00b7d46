"""The name of a clip."""

import os
from pathlib import Path
from typing import Any


def clip_name(clip: Any) -> str | None:
    """The last part of a clip's path, without its folders; None for what is no path, as `-`."""
    if not isinstance(clip, str | os.PathLike) or os.fspath(clip) == "-":
        return None
    # A path of the folder itself, as `.`, has no last part.
    return Path(clip).resolve().name or None
