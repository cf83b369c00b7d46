"""Where a client's token comes from, and where a fresh one comes from when it has expired."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videovisual_client.errors import AuthenticationFailed

TOKEN_VARIABLE = "VIDEOVISUAL_TOKEN"
KEY_FILE_VARIABLE = "VIDEOVISUAL_KEY_FILE"
DEFAULT_KEY_FILE = Path("key_file.json")
CONFIG = "config.properties"


@dataclass(frozen=True)
class Renewal:
    """How TorchServe is asked for a new inference token.

    Attributes:
        url: its management address.
        api_key: what this address asks for.
    """

    url: str
    api_key: str


class Token:
    """The inference token of one client.

    The order in which it is looked for: `token`, `key_file`, $VIDEOVISUAL_TOKEN,
    $VIDEOVISUAL_KEY_FILE, `key_file.json` in the working directory. One that comes from a key
    file can be read anew after TorchServe has written the file anew, and renewed by the API key in
    it. One that was given is fixed.

    Args:
        token: the token itself; empty for a server that wants none.
        key_file: TorchServe's key file.
        management_url: where a new token is asked for; by default what the `config.properties`
            beside the key file says, which is there when `videovisual serve` runs the server.

    Raises:
        AuthenticationFailed: a key file was named and cannot be read.
    """

    def __init__(
        self,
        token: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        management_url: str | None = None,
    ) -> None:
        source = _source(token, key_file)
        self.key_file = source if isinstance(source, Path) else None
        self.value = _from_file(source) if isinstance(source, Path) else source
        self._management_url = management_url

    def reread(self) -> bool:
        """Read the key file again; whether it holds another token now."""
        if self.key_file is None:
            return False
        before, self.value = self.value, _from_file(self.key_file)
        return self.value != before

    def renewal(self) -> Renewal | None:
        """How a new token is asked for; None where that isn't known."""
        if self.key_file is None:
            return None
        url = self._management_url or _management_url(self.key_file.with_name(CONFIG))
        try:
            key = str(_keys(self.key_file)["API"]["key"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Renewal(url.rstrip("/"), key) if url else None


def find_token(token: str | None = None, key_file: str | os.PathLike[str] | None = None) -> str:
    """The inference token, looked for as `Token` says; empty where there is none.

    Raises:
        AuthenticationFailed: a key file was named and cannot be read.
    """
    return Token(token, key_file).value


def _source(token: str | None, key_file: str | os.PathLike[str] | None) -> str | Path:
    if token is not None:
        return token
    if key_file is not None:
        return Path(key_file)
    if os.environ.get(TOKEN_VARIABLE):
        return os.environ[TOKEN_VARIABLE]
    if os.environ.get(KEY_FILE_VARIABLE):
        return Path(os.environ[KEY_FILE_VARIABLE])
    return DEFAULT_KEY_FILE.resolve() if DEFAULT_KEY_FILE.is_file() else ""


def _keys(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _from_file(path: Path) -> str:
    try:
        return str(_keys(path)["inference"]["key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AuthenticationFailed(
            f"No inference key can be read from {path}: {error!r}. TorchServe writes key_file.json "
            "into its working directory at every start."
        ) from None


def _management_url(config: Path) -> str:
    try:
        lines = config.read_text("utf-8").splitlines()
    except OSError:
        return ""
    pairs = (line.partition("=") for line in lines)
    return next((value.strip() for name, _, value in pairs if name == "management_address"), "")
