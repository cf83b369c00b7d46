"""The file of an evidence record: written, and read back with every byte accounted for."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from videovisual.errors import InvalidEvidence, TooLarge
from videovisual.evidence import canonical, earlier
from videovisual.evidence.keys import SigningKey
from videovisual.evidence.statement import (
    Statement,
    decoded,
    maps_of,
    seal,
    sign,
    signed_bytes,
    with_maps,
)
from videovisual.protocol import Answer, Envelope
from videovisual.utils.text import shown
from videovisual.utils.validation import first_reason

MIB = 2**20
MAX_BYTES = 256 * MIB
MAX_STATEMENT_BYTES = 16 * MIB
"""Of the statement without maps; in base64 it takes a third more."""


class _File(Envelope):
    """The members of a record's file, and no others: an envelope's, and what stands beside it."""

    maps: list[str] = Field(description="in base64, as their hashes are ordered in the statement")
    statement_sha256: str


@dataclass(frozen=True)
class Record:
    """A record whose bytes agree with one another.

    Attributes:
        answer: the answer, with its maps.
        statement: what is signed; None for an answer that was saved without a record.
        envelope: with the signatures; None likewise.
        gaps: of an answer without a record, what the file doesn't hold, a sentence each.
    """

    answer: Answer
    statement: Statement | None = None
    envelope: Envelope | None = None
    gaps: tuple[str, ...] = ()

    @property
    def signed_bytes(self) -> bytes:
        """What its signatures are of."""
        return b"" if self.envelope is None else signed_bytes(self.envelope)

    @property
    def caveats(self) -> list[list[str]]:
        """The caveats of each explanation, as they are stated."""
        if self.statement is None:
            return []
        return [entry["caveats"] for entry in self.statement.answer["explanations"]]


def to_bytes(
    answer: Answer, frames_sha256: str | None = None, key: SigningKey | None = None
) -> bytes:
    """The file of an answer's record.

    Args:
        answer: with explanations; the envelope in `answer.evidence`, which a server with a key
            sends, is kept as it is.
        frames_sha256: SHA-256 of the frames that the model saw, if known.
        key: signs the record, beside a server that has signed it.

    Raises:
        InvalidEvidence: the answer can't be written as canonical JSON, or its maps aren't those
            that its server has signed.
        MissingExtra: the extra `evidence` is not installed.
        TooLarge: the record has more than `MAX_BYTES`.
    """
    envelope = answer.evidence
    if envelope is None:
        envelope = seal(answer, frames_sha256, key)
    elif key is not None:
        envelope = sign(envelope, key)
    arrays = [array for each in answer.explanations for _, array in maps_of(each)]
    file = _File(
        **dict(envelope),
        maps=[base64.b64encode(array.to_bytes()).decode() for array in arrays],
        statement_sha256=_sha256(envelope),
    )
    data = canonical.dumps(file.model_dump(mode="json"))
    _check_size(len(data), MAX_BYTES, "record")
    _record(file)
    return data


def read(path: Path) -> Record:
    """The record in a file, or the answer of an `.npz` or `.json` that is none.

    Raises:
        InvalidEvidence: the file can't be read, or a byte of it is not as it was written.
        TooLarge: it has more than `MAX_BYTES`.
        MissingExtra: the extra `evidence` is not installed; an npz needs `pictures`.
    """
    try:
        _check_size(path.stat().st_size, MAX_BYTES, "record")
        data = path.read_bytes()
    except OSError as error:
        raise InvalidEvidence(
            f"{shown(str(path))} can't be read: {error.strerror}. Give a record's path."
        ) from None
    return parse(data)


def parse(data: bytes) -> Record:
    """The record in a file's bytes.

    Raises:
        InvalidEvidence, TooLarge, MissingExtra: as `read`.
    """
    _check_size(len(data), MAX_BYTES, "record")
    found = earlier.find(data)
    if found is not None:
        return Record(found.answer, gaps=found.gaps)
    try:
        file = _File.model_validate(canonical.loads(data, "The record"))
    except ValidationError as error:
        raise _malformed("The record", error) from None
    return _record(file)


def _record(file: _File) -> Record:
    """The record of a file whose form is right, its hashes checked."""
    payload = decoded(file.payload, "The statement")
    _check_size(len(payload), MAX_STATEMENT_BYTES, "statement")
    if _sha256(file) != file.statement_sha256:
        raise InvalidEvidence(
            "The statement was changed: its SHA-256 is not the one beside it. Use the file as it "
            "was written."
        )
    for signature in file.signatures:
        decoded(signature.sig, "A signature")
    stated = canonical.loads(payload, "The statement")
    _check_format(stated)
    try:
        statement = Statement.model_validate(stated)
        answer = with_maps(statement.answer, file.maps)
    except (ValueError, TypeError, LookupError) as error:
        raise _malformed("The statement", error) from None
    return Record(answer, statement, file)


def _check_format(stated: Any) -> None:
    found = stated.get("format") if isinstance(stated, Mapping) else None
    if isinstance(found, int) and found > Statement.model_fields["format"].default:
        raise InvalidEvidence(
            f"The record is of format {shown(found)}, which a later version of VideoVisual than "
            "this one writes. Verify it with that version."
        )


def _sha256(envelope: Envelope) -> str:
    return hashlib.sha256(decoded(envelope.payload, "The statement")).hexdigest()


def _check_size(size: int, allowed: int, what: str) -> None:
    if size > allowed:
        raise TooLarge(
            f"The {what} has {size} bytes, and {allowed} are read.", given=size, allowed=allowed
        )


def _malformed(what: str, error: Exception) -> InvalidEvidence:
    reason = shown(first_reason(error), 200)
    return InvalidEvidence(
        f"{what} is none of VideoVisual's, or was changed: {reason}. Use the file as it "
        "was written."
    )
