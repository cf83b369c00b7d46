"""Where a client's token comes from."""

from __future__ import annotations

import json
import os
from pathlib import Path

from videovisual_client.errors import AuthenticationFailed

TOKEN_VARIABLE = "VIDEOVISUAL_TOKEN"
KEY_FILE_VARIABLE = "VIDEOVISUAL_KEY_FILE"
DEFAULT_KEY_FILE = Path("key_file.json")


def find_token(token: str | None = None, key_file: str | os.PathLike[str] | None = None) -> str:
    """The inference token: given, from a key file, from the environment, or empty.

    The order: `token`, `key_file`, $VIDEOVISUAL_TOKEN, $VIDEOVISUAL_KEY_FILE, `key_file.json` in
    the working directory.

    Raises:
        AuthenticationFailed: a key file was named and cannot be read.
    """
    if token is not None:
        return token
    named = key_file or (
        None if os.environ.get(TOKEN_VARIABLE) else os.environ.get(KEY_FILE_VARIABLE)
    )
    if named is not None:
        return _from_file(Path(named))
    if TOKEN_VARIABLE in os.environ:
        return os.environ[TOKEN_VARIABLE]
    return _from_file(DEFAULT_KEY_FILE) if DEFAULT_KEY_FILE.is_file() else ""


def _from_file(path: Path) -> str:
    try:
        return str(json.loads(path.read_text("utf-8"))["inference"]["key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AuthenticationFailed(
            f"No inference key can be read from {path}: {error!r}. TorchServe writes key_file.json "
            "into its working directory at every start."
        ) from None
