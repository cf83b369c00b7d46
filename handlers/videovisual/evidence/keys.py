"""Ed25519 keys (RFC 8032) that sign and check evidence records, in PEM files."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videovisual.errors import InvalidParameter, WriteError
from videovisual.utils.extras import needs
from videovisual.utils.files import check_writable, write_whole
from videovisual.utils.text import shown

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

KEY_VARIABLE = "VIDEOVISUAL_SIGNING_KEY"
"""The environment variable that names the private key of records that are saved."""

PRIVATE, PUBLIC = ".key", ".pub"
MAX_KEY_BYTES = 65536
MISSING = "Without them, records are saved unsigned, and signatures aren't checked."

_ID = re.compile(r"ed25519:([0-9a-f]{64})", re.ASCII)

KeyFile = str | os.PathLike[str]


@dataclass(frozen=True)
class PublicKey:
    """A key that checks signatures.

    Attributes:
        id: `ed25519:` and the key's 32 bytes in hexadecimal, so an id is the whole key.
    """

    id: str

    @classmethod
    def read(cls, path: KeyFile) -> "PublicKey":
        """The public key in a PEM file.

        Raises:
            InvalidParameter: the file can't be read, or holds another key.
            MissingExtra: the extra `evidence` is not installed.
        """
        serialization, ed25519 = _cryptography()
        data = _content(path)
        if b"PRIVATE KEY" in data:
            raise _invalid(path, f"is a private key; a signature is checked with the {PUBLIC} file")
        try:
            key = serialization.load_pem_public_key(data)
        except Exception as error:
            raise _invalid(path, f"holds no key in PEM ({shown(error, 100)})") from None
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise _invalid(path, "holds a key of another kind than Ed25519")
        return cls(_id(key))

    @classmethod
    def of(cls, key_id: str) -> "PublicKey | None":
        """The key of an id; None for what is no id."""
        return cls(key_id) if _ID.fullmatch(key_id) else None

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the signature is this key's, of this data.

        Raises:
            MissingExtra: the extra `evidence` is not installed.
        """
        _, ed25519 = _cryptography()
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

        try:
            key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.id[-64:]))
            key.verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private key, which signs.

    Attributes:
        id: of its public key.
    """

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key
        self.id = _id(key.public_key())

    @classmethod
    def new(cls) -> "SigningKey":
        """A new key.

        Raises:
            MissingExtra: the extra `evidence` is not installed.
        """
        _, ed25519 = _cryptography()
        return cls(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: KeyFile) -> "SigningKey":
        """The private key in a PEM file without a passphrase.

        Raises:
            InvalidParameter: the file can't be read, or holds another key.
            MissingExtra: the extra `evidence` is not installed.
        """
        serialization, ed25519 = _cryptography()
        data = _content(path)
        try:
            key = serialization.load_pem_private_key(data, password=None)
        except TypeError:
            raise _invalid(path, "needs a passphrase, and keys here have none") from None
        except Exception as error:
            raise _invalid(path, f"holds no private key in PEM ({shown(error, 100)})") from None
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise _invalid(path, "holds a key of another kind than Ed25519")
        return cls(key)

    @classmethod
    def chosen(cls, path: KeyFile | None) -> "SigningKey | None":
        """The key in a file, or else in that of $VIDEOVISUAL_SIGNING_KEY; None without either.

        Raises:
            InvalidParameter, MissingExtra: as `read`.
        """
        named = path or os.environ.get(KEY_VARIABLE)
        return cls.read(named) if named else None

    @property
    def public(self) -> PublicKey:
        """The key that checks its signatures."""
        return PublicKey(self.id)

    def sign(self, data: bytes) -> bytes:
        """The signature of data, 64 bytes."""
        return self._key.sign(data)

    def save(self, path: KeyFile) -> tuple[Path, Path]:
        """Write the pair as PEM: `PATH.key`, which only its owner may read, and `PATH.pub`.

        Returns:
            Both paths.

        Raises:
            WriteError: a file can't be written, or is there already: a key is never replaced.
        """
        serialization, _ = _cryptography()
        base = str(path).removesuffix(PRIVATE)
        private, public = Path(f"{base}{PRIVATE}"), Path(f"{base}{PUBLIC}")
        for each in (private, public):
            check_writable(each)
            if each.exists():
                raise WriteError(
                    f"{each} exists, and a key is never replaced. Give another name, or remove it.",
                    path=str(each),
                )
        pem = serialization.Encoding.PEM
        data = self._key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        private.parent.mkdir(parents=True, exist_ok=True)
        # Made with its mode: a moment in which others could read it would be enough.
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        open_key = self._key.public_key()
        write_whole(
            public, open_key.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return private, public


def _cryptography() -> tuple[Any, Any]:
    with needs("evidence", MISSING):
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    return serialization, ed25519


def _id(key: "Ed25519PublicKey") -> str:
    return f"ed25519:{key.public_bytes_raw().hex()}"


def _content(path: KeyFile) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_KEY_BYTES)
    except (OSError, ValueError) as error:
        raise _invalid(path, f"can't be read ({shown(error, 100)})") from None


def _invalid(path: KeyFile, why: str) -> InvalidParameter:
    return InvalidParameter(
        f"The key {shown(str(path))} {why}. `videovisual keys new NAME` makes a pair.",
        parameter="key",
    )
