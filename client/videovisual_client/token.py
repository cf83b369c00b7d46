"""A client's inference token: where it is found, and how it is renewed."""

import json
import os
import re
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
        AuthenticationFailed: the key file cannot be read, or the token has characters that no key
            has.
    """

    def __init__(
        self,
        token: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        management_url: str | None = None,
    ) -> None:
        source = _source(token, key_file)
        self.key_file = source if isinstance(source, Path) else None
        self.value = _from_file(source) if isinstance(source, Path) else _checked(source)
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
            key = _checked(str(_keys(self.key_file)["API"]["key"]))
            headers = {"Authorization": f"Bearer {key}"}
            return httpx.Request("GET", f"{url.rstrip('/')}/token?type=inference", headers=headers)
        except (
            AuthenticationFailed,
            httpx.InvalidURL,
            OSError,
            ValueError,
            LookupError,
            TypeError,
        ):
            return None


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
        return _checked(str(_keys(path)["inference"]["key"]))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = "it has no inference key"
    raise AuthenticationFailed(
        f"No inference key can be read from {path}: {reason}. Give the key_file.json that "
        "TorchServe writes into its working directory at each start."
    )


def _checked(token: str) -> str:
    """The token, if a header can hold it.

    Raises:
        AuthenticationFailed: it has characters that no key has.
    """
    token = token.strip()
    if not re.fullmatch(r"[ -~]*", token):
        raise AuthenticationFailed(
            "The token has a line break or a letter outside ASCII, which no key has. Give the "
            "inference key of key_file.json."
        )
    return token


def read_properties(path: Path) -> dict[str, str]:
    """The settings of a `config.properties` file."""
    lines = path.read_text("utf-8").splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line and line.lstrip()[0] != "#"]
    return {name.strip(): value.strip() for name, value in pairs}
