"""The tokens that a request may come with, in a file of TorchServe's form."""

import hmac
import json
import logging
import os
import secrets
import threading
from pathlib import Path

from videovisual.errors import AuthenticationFailed, WriteError

INFERENCE = ("inference",)
ANY = ("inference", "management")
KEY_BYTES = 24

logger = logging.getLogger("videovisual.keys")


class KeyFile:
    """`{"inference": {"key": …}, "management": {"key": …}}`, read again whenever it changes.

    While the file can't be read, no token is right.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, bytes] = {}

    def check(self, authorization: str | None, kinds: tuple[str, ...]) -> None:
        """Raises AuthenticationFailed unless the header is `Bearer` and a key of these kinds."""
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip().encode("utf-8", "replace")
        keys = self._current()
        fits = [hmac.compare_digest(keys[kind], given) for kind in kinds if kind in keys]
        if scheme.lower() == "bearer" and any(fits):
            return
        raise AuthenticationFailed(
            "The token is missing or wrong. Send `Authorization: Bearer KEY`, with the inference "
            "key of the server's key_file.json."
        )

    def _current(self) -> dict[str, bytes]:
        with self._lock:
            try:
                about = self._path.stat()
                seen = (about.st_mtime_ns, about.st_ino, about.st_size)
                if seen != self._seen:
                    self._keys = _read(self._path)
                    self._seen = seen
            except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
                logger.error("no key can be read from %s: %r", self._path, error)
                self._keys, self._seen = {}, None
            return self._keys


def write_keys(path: Path) -> None:
    """Write new random keys, which only this user may read.

    Raises:
        WriteError: the file can't be written.
    """
    keys = {kind: {"key": secrets.token_urlsafe(KEY_BYTES)} for kind in ANY}
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(keys, file, indent=1)
    except OSError as error:
        raise WriteError(
            f"The keys can't be written to {path}: {error.strerror}. Choose another folder."
        ) from None


def _read(path: Path) -> dict[str, bytes]:
    data = json.loads(path.read_text("utf-8"))
    keys = {kind: data[kind]["key"].strip().encode() for kind in ANY if kind in data}
    if not all(keys.values()) or not keys:
        raise ValueError("a key is empty, or there is none")
    return keys
