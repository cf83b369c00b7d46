"""What a record states of an answer, sealed in an envelope."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from videovisual.errors import InvalidEvidence
from videovisual.evidence import canonical
from videovisual.evidence.keys import SigningKey
from videovisual.protocol import Answer, Array, Envelope, Explanation, Signature
from videovisual.protocol.caveats import caveats
from videovisual.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAPS = ("map", "signed_map")

_CAVEATS = TypeAdapter(list[str])
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


class ClipHashes(BaseModel):
    """The clip, known by its hashes."""

    model_config = _STRICT

    sha256: str | None = Field(description="of its bytes, as `SourceInfo.sha256`")
    frames_sha256: str | None = Field(
        description="of the decoded frames that the model saw: shape (int64, little endian) and "
        "RGB pixels; null where the writer couldn't decode the clip"
    )


class MapHash(BaseModel):
    """A map, known by its hash."""

    model_config = _STRICT

    shape: tuple[int, int, int] = Field(strict=False)
    dtype: Literal["float16", "float32", "float64"]
    sha256: str = Field(description="of its values in C order, little endian")


class Statement(BaseModel):
    """What a record states.

    Attributes:
        format: of the statement.
        videovisual: version that wrote it.
        clip: the clip's hashes.
        answer: the answer; each map as a `MapHash`, each explanation with its `caveats`.
    """

    model_config = _STRICT

    format: Literal[1] = 1
    videovisual: str = __version__
    clip: ClipHashes
    answer: dict[str, Any]


def seal(answer: Answer, frames_sha256: str | None, key: SigningKey | None) -> Envelope:
    """The envelope of an answer's statement, signed if there is a key.

    Raises:
        InvalidEvidence: the answer has a number or text that no canonical JSON has.
        MissingExtra: the extra `evidence` is not installed.
    """
    hashes = ClipHashes(sha256=source_facts(answer).get("sha256"), frames_sha256=frames_sha256)
    # The provenance says which weights and labels the model had.
    facts = answer.model_dump(mode="json", exclude={"evidence", "classifier_sha256"})
    for explanation, entry in zip(answer.explanations, facts["explanations"], strict=True):
        entry["caveats"] = list(caveats(explanation))
        for name, array in maps_of(explanation):
            entry[name] = {
                "shape": list(array.shape),
                "dtype": array.dtype,
                "sha256": hashlib.sha256(array.to_bytes()).hexdigest(),
            }
    statement = Statement(clip=hashes, answer=canonical.exact(facts))
    payload = canonical.dumps(statement.model_dump(mode="json"))
    envelope = Envelope(payload=base64.b64encode(payload).decode())
    return envelope if key is None else sign(envelope, key)


def sign(envelope: Envelope, key: SigningKey) -> Envelope:
    """The envelope with one more signature."""
    signed = key.sign(signed_bytes(envelope))
    own = Signature(keyid=key.id, sig=base64.b64encode(signed).decode())
    others = [each for each in envelope.signatures if each.keyid != key.id]
    return envelope.model_copy(update={"signatures": [*others, own]})


def signed_bytes(envelope: Envelope) -> bytes:
    """What a signature is of: DSSE's pre-authentication encoding of type and payload."""
    kind, payload = envelope.payloadType.encode(), base64.b64decode(envelope.payload)
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def source_facts(answer: Answer) -> Mapping[str, Any]:
    """What an answer says of the clip's source; empty for a prepared clip."""
    facts = answer.clip.get("source")
    return facts if isinstance(facts, Mapping) else {}


def maps_of(explanation: Explanation) -> Iterator[tuple[str, Array]]:
    """An explanation's maps by name, in the order of a record."""
    for name in MAPS:
        array = getattr(explanation, name)
        if array is not None:
            yield name, array


def with_maps(facts: Mapping[str, Any], maps: list[str]) -> Answer:
    """The answer of a statement, its maps put in.

    Args:
        facts: the statement's `answer`.
        maps: in base64, in the order of `maps_of` over all explanations.

    Raises:
        InvalidEvidence: a map is another than the one that is stated.
        ValueError: the statement's answer is none; pydantic's `ValidationError` is one.
    """
    left = list(reversed(maps))
    explanations = []
    for place, stated in enumerate(facts["explanations"]):
        _CAVEATS.validate_python(stated["caveats"])
        entry = {name: value for name, value in stated.items() if name != "caveats"}
        for name in MAPS:
            if entry[name] is not None:
                hashed = MapHash.model_validate(entry[name])
                text = left.pop() if left else ""
                if hashlib.sha256(decoded(text, f"The {name}")).hexdigest() != hashed.sha256:
                    raise InvalidEvidence(
                        f"The {name} of explanation {place} was changed: its SHA-256 is not the "
                        "one that the record states. Use the file as it was written."
                    )
                entry[name] = Array(shape=hashed.shape, dtype=hashed.dtype, base64=text)
        explanations.append(entry)
    if not explanations:
        raise InvalidEvidence("The record states no explanation, so there is nothing to verify.")
    if left:
        raise InvalidEvidence(f"The record holds {len(left)} maps that it doesn't state.")
    return Answer.model_validate({**facts, "explanations": explanations})


def frames_sha256(frames: "npt.NDArray[np.uint8]") -> str:
    """SHA-256 of decoded frames: their shape (int64, little endian) and their pixels.

    Args:
        frames: uint8 [T, H, W, 3].
    """
    import numpy as np  # noqa: PLC0415

    digest = hashlib.sha256(np.asarray(frames.shape, "<i8").tobytes())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


def decoded(text: str, what: str) -> bytes:
    """The bytes of base64, of which one text alone is right.

    Raises:
        InvalidEvidence: it is no base64, or another text of the same bytes.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if base64.b64encode(data).decode() != text:
        raise InvalidEvidence(f"{what} was changed: it is no base64 as a record holds it.")
    return data
