"""The checks of a record that need no network: its bytes, its signatures, its clip."""

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from videovisual.errors import InvalidParameter
from videovisual.evidence.finding import Finding, Verdict, Verification
from videovisual.evidence.keys import PublicKey
from videovisual.evidence.record import Record
from videovisual.evidence.statement import frames_sha256, source_facts
from videovisual.protocol import Answer, Explanation, Signature
from videovisual.protocol.caveats import caveats
from videovisual.protocol.sentences import summarised
from videovisual.version import __version__

if TYPE_CHECKING:
    from videovisual.clips import Source

Again = Callable[[Answer, "Source"], Iterable[Finding]]
"""Computes an answer again from its clip, and compares."""

UNREADABLE = (TypeError, LookupError, AttributeError, ArithmeticError, ValueError)
"""What reading an explanation raises whose members have other types than ours."""

ROUNDING = 2e-6
"""The largest difference of a curve's value, which is written with six decimals."""


def verify(
    record: Record,
    open_clip: Callable[[bool], "Source"] | None,
    keys: Sequence[PublicKey] = (),
    again: Again | None = None,
) -> Verification:
    """Check a record against its clip.

    Args:
        record: as read.
        open_clip: opens the clip; the argument is whether as it is shown. None where the clip is
            not at hand.
        keys: those of whom the record should be signed by; none to check without knowing whose
            a signature is.
        again: computes the answer again and compares; left out unless given, and where the record
            was altered or the clip is another.

    Raises:
        VideoVisualError: the clip can't be read; or what `again` raises.
    """
    findings = [*_record_findings(record), *signature_findings(record, keys)]
    if any(finding.verdict is Verdict.DIFFERS for finding in findings):
        return Verification(tuple(findings))
    if open_clip is None:
        missing = Finding("clip", Verdict.UNCHECKED, "The record's clip is not at hand.")
        return Verification((*findings, missing))
    shown = source_facts(record.answer).get("shown")
    stored = isinstance(shown, Mapping) and shown.get("as_shown") is False
    source = open_clip(not stored)
    clip = list(_clip_findings(record, source))
    findings += clip
    same_frames = clip[-1].verdict is not Verdict.DIFFERS
    if again is not None and same_frames:
        findings += again(record.answer, source)
    return Verification(tuple(findings))


def _record_findings(record: Record) -> Iterator[Finding]:
    for gap in record.gaps:
        yield Finding("record", Verdict.UNCHECKED, gap)
    problem = _contradiction(record)
    if problem is not None:
        yield Finding("record", Verdict.DIFFERS, f"The record contradicts itself: {problem}.")
    elif record.statement is not None:
        yield Finding(
            "record", Verdict.SAME, "Every byte of the record agrees with the hashes in it."
        )


def _contradiction(record: Record) -> str | None:
    """What in a record can't be as its writer wrote it."""
    answer = record.answer
    clip = record.statement.clip.sha256 if record.statement else None
    try:
        if record.statement and clip != source_facts(answer).get("sha256"):
            return "it names two clips"
        for place, explanation in enumerate(answer.explanations):
            problem = _explanation_problem(explanation)
            if problem is not None:
                return f"explanation {place}: {problem}"
            if record.statement and record.statement.videovisual == __version__:
                stated = record.caveats[place]
                if stated != list(caveats(explanation)):
                    return f"explanation {place}: its caveats aren't those of its diagnostics"
                told = explanation.summary
                if told and told != summarised(explanation, answer).summary:
                    return f"explanation {place}: its summary isn't that of its numbers"
    except UNREADABLE as error:
        return f"its members aren't those of an explanation ({str(error)[:100]})"
    return None


def _explanation_problem(explanation: Explanation) -> str | None:
    import numpy as np  # noqa: PLC0415

    saliency = explanation.to_saliency()
    if saliency.map.ndim != 3 or not np.isfinite(saliency.map).all():
        return "its map is not finite, or has no three axes"
    curve = np.asarray(explanation.curve)
    if curve.shape != saliency.map.shape[:1] or np.abs(curve - saliency.curve()).max() > ROUNDING:
        return "its curve is not that of its map"
    return None if explanation.peak == saliency.peak() else "its peak is not that of its map"


def signature_findings(record: Record, keys: Sequence[PublicKey]) -> Iterator[Finding]:
    """Who signed a record, and whether those did who should have.

    Args:
        record: as read.
        keys: those who should have signed it.
    """
    signatures = [] if record.envelope is None else record.envelope.signatures
    for key_id, count in Counter(each.keyid for each in signatures).items():
        if count > 1:
            yield Finding("signature", Verdict.DIFFERS, f"{key_id} signs the record {count} times.")
    wanted = {key.id for key in keys}
    for signature in signatures:
        yield _signature_finding(record, signature, wanted)
    for key_id in sorted(wanted - {each.keyid for each in signatures}):
        signers = ", ".join(each.keyid for each in signatures)
        instead = f"signed by another key, {signers}" if signers else "not signed"
        yield Finding(
            "signature",
            Verdict.DIFFERS,
            f"The record is {instead}; a signature by {key_id} was asked for.",
        )
    if not signatures and not wanted:
        yield Finding(
            "signature",
            Verdict.UNCHECKED,
            "The record is not signed: whoever had it can have written it anew.",
        )


def _signature_finding(record: Record, signature: Signature, wanted: set[str]) -> Finding:
    key = PublicKey.of(signature.keyid)
    if key is None:
        message = f"The signature's key id, {signature.keyid[:80]!r}, is none of an Ed25519 key."
        return Finding("signature", Verdict.DIFFERS, message)
    if not key.verifies(base64.b64decode(signature.sig), record.signed_bytes):
        message = f"The signature by {key.id} is not of this record: one of the two was changed."
        return Finding("signature", Verdict.DIFFERS, message)
    if not wanted:
        message = (
            f"Signed by {key.id}. Whose key that is isn't known here: give the signer's public "
            "key to check it."
        )
        return Finding("signature", Verdict.SAME, message)
    if key.id in wanted:
        return Finding("signature", Verdict.SAME, f"Signed by {key.id}, as asked for.")
    message = f"Signed also by {key.id}, a key that wasn't given, so whose it is isn't known."
    return Finding("signature", Verdict.UNCHECKED, message)


def _clip_findings(record: Record, source: "Source") -> Iterator[Finding]:
    """One finding on the bytes; and, where they or the pictures differ, a last one on these."""
    stated = source_facts(record.answer).get("sha256")
    known = record.statement.clip.frames_sha256 if record.statement else None
    same = source.info.sha256 == stated
    if same:
        yield Finding("clip", Verdict.SAME, f"The clip's bytes are the record's, SHA-256 {stated}.")
    else:
        message = (
            f"Another clip: its SHA-256 is {source.info.sha256}, and the record's is "
            f"{stated or 'not recorded'}."
        )
        yield Finding("clip", Verdict.DIFFERS, message)
    if known is None:
        if not same:
            message = (
                "Whether its pictures are the same can't be told: the record has no hash of them."
            )
            yield Finding("clip", Verdict.DIFFERS, message)
        return
    pictures = _frames_digest(record.answer, source)
    if pictures == known:
        yield Finding("clip", Verdict.SAME, "The pictures that the model saw are the same.")
    elif same:
        message = (
            "This file's frames are decoded to other pixels here than where the record was "
            "written: the decoder is another version."
        )
        yield Finding("clip", Verdict.DIFFERS, message)
    else:
        yield Finding("clip", Verdict.DIFFERS, "Its pictures are others too.")


def _frames_digest(answer: Answer, source: "Source") -> str | None:
    """SHA-256 of the clip's frames that the answer names; None where it has no such frames."""
    try:
        return frames_sha256(source.read(answer.clip["frame_indices"]))
    except (InvalidParameter, *UNREADABLE):
        return None
