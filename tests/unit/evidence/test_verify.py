"""What `verify` says of a record, its clip and its model, in plain sentences."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rfc8785
from tests.unit.evidence.conftest import MODEL, Case

import videovisual
from videovisual import motion
from videovisual.errors import InvalidEvidence, InvalidParameter
from videovisual.evidence import Outcome, SigningKey, Verification
from videovisual.zoo import Classifier

HERE = Path(__file__).parent


def verdicts(found: Verification) -> dict[str, str]:
    """The last verdict on each part."""
    return {finding.part: finding.verdict.value for finding in found.findings}


def said(found: Verification) -> str:
    return "\n".join(finding.message for finding in found.findings)


def rewritten(case: Case, change: Callable[[dict[str, Any]], None], name: str) -> Path:
    """The record with another statement, unsigned, its hashes made to fit: a forger's work."""
    file = json.loads(case.record.read_bytes())
    statement = json.loads(base64.b64decode(file["payload"]))
    stated = statement["answer"]["explanations"][0]
    told = stated["summary"]
    change(statement)
    if stated["summary"] == told:
        # It would tell of most changes, and a forger can leave it out.
        stated["summary"] = ""
    payload = rfc8785.dumps(statement)
    file |= {
        "payload": base64.b64encode(payload).decode(),
        "statement_sha256": hashlib.sha256(payload).hexdigest(),
        "signatures": [],
    }
    path = case.folder / name
    path.write_bytes(rfc8785.dumps(file))
    return path


def test_a_record_is_verified(case: Case, model: Classifier) -> None:
    found = videovisual.verify(case.record, case.clip, model, keys=[case.public])
    assert found.outcome is Outcome.VERIFIED, said(found)
    parts = ("record", "signature", "clip", "model", "answer", "map")
    assert verdicts(found) == dict.fromkeys(parts, "same")


def test_a_record_is_canonical_json_in_a_dsse_envelope(case: Case) -> None:
    """Read by other means than ours: as RFC 8785, DSSE and RFC 8032 say."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    file = json.loads(case.record.read_bytes())
    payload, kind = base64.b64decode(file["payload"]), file["payloadType"].encode()
    (signature,) = file["signatures"]
    signed = b" ".join((b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(payload), payload))
    key = load_pem_public_key(case.public.read_bytes())
    key.verify(base64.b64decode(signature["sig"]), signed)
    statement = json.loads(payload)
    assert rfc8785.dumps(statement) == payload
    assert statement["clip"]["sha256"] == hashlib.sha256(case.clip.read_bytes()).hexdigest()
    (explanation,) = statement["answer"]["explanations"]
    values = base64.b64decode(file["maps"][0])
    assert explanation["map"]["sha256"] == hashlib.sha256(values).hexdigest()
    assert explanation["provenance"]["weights_sha256"]


def test_an_unsigned_record_says_so(case: Case, model: Classifier) -> None:
    unsigned = rewritten(case, lambda _: None, "unsigned.evidence.json")
    found = videovisual.verify(unsigned, case.clip, model)
    assert found.outcome is Outcome.INCOMPLETE
    assert "The record is not signed" in said(found)
    assert verdicts(found)["map"] == "same"
    asked = videovisual.verify(unsigned, case.clip, model, keys=[case.public])
    assert asked.outcome is Outcome.ALTERED
    assert "not signed; a signature by ed25519:" in said(asked)
    assert "map" not in verdicts(asked)


def test_an_unknown_key_is_named(case: Case, tmp_path: Path) -> None:
    _, public = SigningKey.new().save(tmp_path / "other")
    found = videovisual.verify(case.record, case.clip, keys=[public], recompute=False)
    assert found.outcome is Outcome.ALTERED
    assert "signed by another key, ed25519:" in said(found)
    both = [public, case.public]
    assert videovisual.verify(case.record, case.clip, keys=both).outcome is Outcome.ALTERED
    unasked = videovisual.verify(case.record, case.clip, recompute=False)
    assert unasked.outcome is Outcome.VERIFIED
    assert "Whose key that is isn't known here" in said(unasked)


def test_another_clip_is_named(case: Case, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, frames=motion.sample(5).frames, fps=25.0)
    found = videovisual.verify(case.record, other)
    assert found.outcome is Outcome.OTHER_INPUT
    assert "Another clip: its SHA-256 is" in said(found)
    assert "Its pictures are others too" in said(found)
    assert "map" not in verdicts(found)


def test_the_same_pictures_in_another_file_are_told_from_another_clip(
    case: Case, model: Classifier, tmp_path: Path
) -> None:
    other = tmp_path / "other.npz"
    np.savez_compressed(other, frames=motion.sample(4).frames, fps=25.0)
    found = videovisual.verify(case.record, other, model)
    assert found.outcome is Outcome.OTHER_INPUT
    assert "The pictures that the model saw are the same" in said(found)
    assert verdicts(found)["map"] == "same"


def test_another_model_is_named(case: Case) -> None:
    found = videovisual.verify(case.record, case.clip, "r3d-motion")
    assert found.outcome is Outcome.OTHER_INPUT
    assert "Another model: its weights' SHA-256 is" in said(found)
    assert "map" not in verdicts(found)


def test_a_record_of_a_model_from_elsewhere_loads_nothing_by_itself(case: Case) -> None:
    def rename(statement: dict[str, Any]) -> None:
        statement["answer"]["model"] = "hf:somebody/something"

    path = rewritten(case, rename, "elsewhere.evidence.json")
    found = videovisual.verify(path, case.clip)
    assert found.outcome is Outcome.INCOMPLETE
    assert "the model 'hf:somebody/something' is unknown here: give it" in said(found)


@pytest.mark.parametrize(
    ("change", "part", "sentence"),
    [
        (lambda answer: answer["predictions"][0].update(logit=9.0), "answer", "logits differ by"),
        (lambda answer: answer["predictions"][0].update(label="x"), "answer", "'x', which isn't"),
        (lambda answer: answer["clip"]["crop"].update(top=7), "facts", "crop aren't those"),
        (lambda answer: answer["explanations"][0].update(signed=True), "map", "shape"),
        (
            lambda answer: answer["explanations"][0]["diagnostics"].update(found=1),
            "facts",
            "diagnostics of gradient aren't",
        ),
        (
            lambda answer: answer["explanations"][0].update(faithfulness={"insertion": 1}),
            "facts",
            "faithfulness of gradient aren't",
        ),
        (lambda answer: answer["explanations"][0].update(curve=[0.125] * 8), "record", "curve"),
        (lambda answer: answer["explanations"][0].update(caveats=["Fine."]), "record", "caveats"),
        (lambda answer: answer["explanations"][0].update(summary="Fine."), "record", "summary"),
        (lambda answer: answer["clip"]["source"].update(sha256="0" * 64), "record", "two clips"),
    ],
)
def test_what_a_forger_changed_is_found_by_computing_again(
    case: Case,
    model: Classifier,
    change: Callable[[dict[str, Any]], None],
    part: str,
    sentence: str,
) -> None:
    """Though an unsigned record's hashes are right."""
    path = rewritten(case, lambda statement: change(statement["answer"]), "forged.evidence.json")
    found = videovisual.verify(path, case.clip, model)
    assert verdicts(found)[part] == "differs", said(found)
    assert sentence in said(found)


def test_another_version_and_processor_are_named_and_tolerated(
    case: Case, model: Classifier
) -> None:
    def age(statement: dict[str, Any]) -> None:
        provenance = statement["answer"]["explanations"][0]["provenance"]
        provenance |= {"videovisual": "0.1.5", "cpu": "Another Processor"}
        statement["answer"]["predictions"][0]["logit"] *= 1 + 1e-5

    found = videovisual.verify(rewritten(case, age, "older.evidence.json"), case.clip, model)
    assert verdicts(found)["answer"] == "close"
    assert "another version of VideoVisual (0.1.5 → " in said(found)
    assert "another processor (Another Processor → " in said(found)


def test_what_can_not_be_computed_here_is_told(case: Case, model: Classifier) -> None:
    def unknown(statement: dict[str, Any]) -> None:
        statement["answer"]["explanations"][0]["provenance"]["parameters"] = {"gone": 1}

    found = videovisual.verify(rewritten(case, unknown, "gone.evidence.json"), case.clip, model)
    assert found.outcome is Outcome.INCOMPLETE
    assert "Not computed again: gradient has no parameter 'gone'" in said(found)

    def partial(statement: dict[str, Any]) -> None:
        statement["answer"]["explanations"][0]["diagnostics"]["partial"] = True
        caveat = "Partial: the method was stopped before it had done all its steps."
        statement["answer"]["explanations"][0]["caveats"].append(caveat)

    path = rewritten(case, partial, "partial.evidence.json")
    assert "which can't be computed again" in said(videovisual.verify(path, case.clip, model))


def test_a_record_of_a_later_format_is_refused(case: Case) -> None:
    path = rewritten(case, lambda statement: statement.update(format=2), "later.evidence.json")
    with pytest.raises(InvalidEvidence, match="format 2, which a later version"):
        videovisual.verify(path, case.clip)


def test_a_seed_that_no_double_holds_is_kept(case: Case, model: Classifier, tmp_path: Path) -> None:
    saliency = videovisual.explain(model, case.clip, "smooth_grad", seed=2**62 + 1, samples=2)
    path = saliency.save(tmp_path / "evidence.json", key=case.private)
    found = videovisual.verify(path, case.clip, model, keys=[case.public])
    assert found.outcome is Outcome.VERIFIED, said(found)


@pytest.mark.parametrize("name", ["answer-0.1.json.gz", "answer-0.1.npz"])
def test_an_answer_of_version_0_1_is_read(
    case: Case, model: Classifier, tmp_path: Path, name: str
) -> None:
    """Written by that version, of the same clip."""
    data = (HERE / name).read_bytes()
    path = tmp_path / name.removesuffix(".gz")
    path.write_bytes(gzip.decompress(data) if name.endswith(".gz") else data)
    found = videovisual.verify(path, case.clip, model)
    assert found.outcome is Outcome.INCOMPLETE, said(found)
    assert "no hashes and no signature" in said(found)
    assert verdicts(found)["answer"] in ("same", "close")
    assert verdicts(found)["map"] in ("same", "close")
    asked = videovisual.verify(path, case.clip, model, keys=[case.public])
    assert asked.outcome is Outcome.ALTERED


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"PK\x03\x04", b"\x00\xff", b"null"])
def test_another_file_is_no_record(case: Case, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "evidence.json"
    path.write_bytes(data)
    with pytest.raises(InvalidEvidence, match=r"neither an evidence record nor|no JSON that"):
        videovisual.verify(path, case.clip)


def test_a_key_signs_records_alone(case: Case, model: Classifier, tmp_path: Path) -> None:
    saliency = videovisual.explain(model, case.clip)
    with pytest.raises(InvalidParameter, match=r"map\.npz can't be signed"):
        saliency.save(tmp_path / "map.npz", key=case.private)
    assert MODEL in repr(saliency)
