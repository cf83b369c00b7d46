"""Evidence records: an answer with its hashes and signatures, and the checks an auditor makes.

A record is one JSON file. Its statement (the answer, the maps' SHA-256, the caveats, the provenance
and the clip's SHA-256) is canonical JSON in a DSSE envelope, and the maps stand beside it.
"""

from videovisual.evidence.comparison import compare as compare
from videovisual.evidence.finding import Finding as Finding
from videovisual.evidence.finding import Outcome as Outcome
from videovisual.evidence.finding import Verdict as Verdict
from videovisual.evidence.finding import Verification as Verification
from videovisual.evidence.keys import PublicKey as PublicKey
from videovisual.evidence.keys import SigningKey as SigningKey
from videovisual.evidence.record import Record as Record
from videovisual.evidence.record import read as read
from videovisual.evidence.record import to_bytes as to_bytes
from videovisual.evidence.statement import frames_sha256 as frames_sha256
from videovisual.evidence.statement import seal as seal
from videovisual.evidence.verification import verify as verify
