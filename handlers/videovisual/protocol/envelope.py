"""The DSSE envelope of an evidence record: its statement, and who signed it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

PayloadType = Literal["application/vnd.videovisual.evidence+json"]


class Signature(BaseModel):
    """One signature of an envelope's payload."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    keyid: str = Field(description="`ed25519:` and the public key, 64 hexadecimal digits")
    sig: str = Field(description="Ed25519 of DSSE's pre-authentication encoding, in base64")


class Envelope(BaseModel):
    """A DSSE envelope (https://github.com/secure-systems-lab/dsse), whose names these are."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    payloadType: PayloadType = "application/vnd.videovisual.evidence+json"  # noqa: N815
    payload: str = Field(description="the statement, canonical JSON (RFC 8785), in base64")
    signatures: list[Signature] = Field(default_factory=list)
