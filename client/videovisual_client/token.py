"""A client's inference token: where it is found, and how it is renewed."""

import json
import os
from pathlib import Path
from typing import Any

import httpx

from videovisual_client.errors import AuthenticationFailed

TOKEN_VARIABLE = "VIDEOVISUAL_TOKEN"
KEY_FILE_VARIABLE = "VIDEOVISUAL_KEY_FILE"
DEFAULT_KEY_FILE = Path("key_file.json")
CONFIG = "config.properties"


class Token:
    """The inference token of one client.

    The first of these that exists is used: `token`, `key_file`, $VIDEOVISUAL_TOKEN,
    $VIDEOVISUAL_KEY_FILE, `key_file.json` in the working directory. A token of a key file can be
    read again after TorchServe has rewritten the file, and renewed with the file's API key.

    Args:
        token: the token itself; empty for a server without authorization.
        key_file: TorchServe's key file.
        management_url: where TorchServe issues tokens; by default the address in the
            `config.properties` beside the key file, which `videovisual serve` writes.

    Raises:
        AuthenticationFailed: the key file cannot be read.
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
        """Read the key file again, and return whether the token has changed."""
        if self.key_file is None:
            return False
        before, self.value = self.value, _from_file(self.key_file)
        return self.value != before

    def renewal(self) -> httpx.Request | None:
        """The request that has TorchServe write a new token; None if its address is unknown."""
        if self.key_file is None:
            return None
        try:
            config = self.key_file.with_name(CONFIG)
            url = self._management_url or read_properties(config)["management_address"]
            key = _keys(self.key_file)["API"]["key"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Request("GET", f"{url.rstrip('/')}/token?type=inference", headers=headers)


def find_token(token: str | None = None, key_file: str | os.PathLike[str] | None = None) -> str:
    """The inference token that `Token` finds; empty if there is none.

    Raises:
        AuthenticationFailed: the key file cannot be read.
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
            f"No inference key can be read from {path}: {error!r}. Give the key_file.json that "
            "TorchServe writes into its working directory at each start."
        ) from None


def read_properties(path: Path) -> dict[str, str]:
    """The settings of a `config.properties` file."""
    lines = path.read_text("utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line and line.lstrip()[0] != "#"]
    return {name.strip(): value.strip() for name, value in pairs}
