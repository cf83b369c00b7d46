"""Keys: made once, readable by their owner alone, and refused where they are others."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests import light

from videovisual.errors import InvalidParameter, WriteError
from videovisual.evidence import PublicKey, SigningKey
from videovisual.evidence.keys import KEY_VARIABLE
from videovisual.utils.extras import install_command


def test_a_pair_is_written_and_read(tmp_path: Path) -> None:
    key = SigningKey.new()
    private, public = key.save(tmp_path / "new" / "laboratory")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert (private.name, public.name) == ("laboratory.key", "laboratory.pub")
    assert SigningKey.read(private).id == key.id
    assert PublicKey.read(public) == key.public
    assert b"PRIVATE" not in public.read_bytes()


def test_a_signature_is_of_its_data_and_its_key() -> None:
    key, other = SigningKey.new(), SigningKey.new()
    signature = key.sign(b"data")
    assert key.public.verifies(signature, b"data")
    assert not key.public.verifies(signature, b"Data")
    assert not other.public.verifies(signature, b"data")
    assert not key.public.verifies(b"", b"data")


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    private, _ = SigningKey.new().save(tmp_path / "laboratory")
    before = private.read_bytes()
    with pytest.raises(WriteError, match="never replaced"):
        SigningKey.new().save(tmp_path / "laboratory.key")
    assert private.read_bytes() == before


def test_other_files_are_no_keys(tmp_path: Path) -> None:
    private, public = SigningKey.new().save(tmp_path / "laboratory")
    curve = tmp_path / "curve.key"
    locked = tmp_path / "locked.key"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key = ec.generate_private_key(ec.SECP256R1())
    curve.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    hidden = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(pem, pkcs8, hidden))
    text = tmp_path / "text.key"
    text.write_bytes(b"\x00\xff nothing")
    for path, why in (
        (public, "holds no private key in PEM"),
        (curve, "of another kind than Ed25519"),
        (locked, "needs a passphrase"),
        (text, "holds no private key in PEM"),
        (tmp_path / "gone.key", "can't be read"),
        (tmp_path, "can't be read"),
    ):
        with pytest.raises(InvalidParameter, match=why):
            SigningKey.read(path)
    with pytest.raises(InvalidParameter, match=r"is a private key; .* with the \.pub file"):
        PublicKey.read(private)
    with pytest.raises(InvalidParameter, match="holds no key in PEM"):
        PublicKey.read(text)


def test_the_environment_names_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert SigningKey.chosen(None) is None
    private, _ = SigningKey.new().save(tmp_path / "mine")
    other, _ = SigningKey.new().save(tmp_path / "other")
    monkeypatch.setenv(KEY_VARIABLE, str(private))
    chosen = SigningKey.chosen(None)
    assert chosen is not None
    assert chosen.id == SigningKey.read(private).id
    given = SigningKey.chosen(other)
    assert given is not None
    assert given.id == SigningKey.read(other).id


def test_without_the_extra_the_message_installs_it() -> None:
    code = """
from videovisual.evidence import SigningKey, canonical
for make in (SigningKey.new, lambda: canonical.dumps({})):
    try: make()
    except Exception as error: print(type(error).__name__, error)
"""
    told = light.python(code, refused=(*light.REFUSED, "cryptography", "rfc8785"))
    assert told.count("MissingExtra") == 2
    assert told.count(install_command("evidence")) == 2
