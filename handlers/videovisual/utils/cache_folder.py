"""The folder of downloads."""

import os
from pathlib import Path

from videovisual.errors import WriteError


def default_cache() -> Path:
    """`$VIDEOVISUAL_CACHE`, else `videovisual` in `$XDG_CACHE_HOME`, else in `~/.cache`.

    Raises:
        WriteError: the user has no home.
    """
    if own := os.environ.get("VIDEOVISUAL_CACHE"):
        return Path(own)
    if home := os.environ.get("XDG_CACHE_HOME"):
        return Path(home) / "videovisual"
    try:
        return Path.home() / ".cache" / "videovisual"
    except RuntimeError:
        raise WriteError(
            "There is no place for downloads, because this user has no home. Set VIDEOVISUAL_CACHE "
            "to a folder that can be written."
        ) from None
