"""Answers that are no records: what version 0.1 saved, and an `.npz` or `.json` of today."""

import io
import json
import math
from dataclasses import dataclass
from typing import Any

from videovisual.errors import InvalidEvidence, InvalidRequest
from videovisual.evidence import canonical
from videovisual.protocol import Answer, Explanation, Prediction, Provenance
from videovisual.utils.extras import needs
from videovisual.utils.text import shown
from videovisual.utils.validation import first_reason

UNSIGNED = (
    "This is a plain answer, not an evidence record: it has no hashes and no signature, so whether "
    "it was changed since it was saved can't be told."
)
FIRST_ALONE = "An npz holds the provenance of its first map alone; its other maps aren't checked."
NO_ANSWER = "This npz holds a map without the model's answer, so the answer can't be checked."


@dataclass(frozen=True)
class Earlier:
    """An answer that is no record.

    Attributes:
        answer: the answer; without predictions where the file has none.
        gaps: what can't be checked, a sentence each.
    """

    answer: Answer
    gaps: tuple[str, ...]


def find(data: bytes) -> Earlier | None:
    """The answer in a file; None where the file is a record.

    Raises:
        InvalidEvidence: it is neither.
        TooLarge: an npz's arrays are larger than is read.
        MissingExtra: an npz needs numpy.
    """
    if data.startswith(b"PK"):
        return _npz(data)
    if b'"payload"' in data:
        return None
    value = canonical.parse(data, "The file")
    try:
        return Earlier(_with_explanation(Answer.model_validate(value)), (UNSIGNED,))
    except ValueError as error:
        raise _neither(error) from None


def _npz(data: bytes) -> Earlier:
    with needs("pictures", "Without them a record or an answer is read from json."):
        from videovisual.saliency import READ_ERRORS, Saliency  # noqa: PLC0415
    gaps = [UNSIGNED]
    try:
        saliency = Saliency.from_npz(data)
        provenance = Provenance.model_validate(saliency.provenance)
        index, label = provenance.target.index, provenance.target.label
        stated, several = _answer_in(data)
        if stated is None:
            gaps.append(NO_ANSWER)
            target = Prediction(index=index, label=label, probability=None, logit=math.nan)
            stated, faithfulness = Answer(model=provenance.model, predictions=[], clip={}), None
        else:
            first = stated.explanations[0]
            target, faithfulness = first.target, first.faithfulness
        if several:
            gaps.append(FIRST_ALONE)
        explanation = Explanation.of(saliency, provenance.method, target, faithfulness)
    except (*READ_ERRORS, InvalidRequest) as error:
        raise _neither(error) from None
    clip = {
        name: saliency.provenance.get(name)
        for name in ("frame_indices", "timestamps", "crop", "source")
    }
    answer = stated.model_copy(update={"explanations": [explanation], "clip": clip})
    return Earlier(answer, tuple(gaps))


def _answer_in(data: bytes) -> tuple[Answer | None, bool]:
    """The `answer` of an npz, its maps left empty, and whether there are several."""
    import numpy as np  # noqa: PLC0415

    from videovisual.utils.npz import HEADERS  # noqa: PLC0415

    with HEADERS, np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        if "answer" not in arrays:
            return None, False
        stated: dict[str, Any] = json.loads(str(arrays["answer"]))
        several = "map_1" in arrays
    empty = {"shape": [], "dtype": "float32", "base64": ""}
    entries = [{"map": empty, "provenance": {}, **each} for each in stated["explanations"]]
    return Answer.model_validate({**stated, "explanations": entries}), several


def _with_explanation(answer: Answer) -> Answer:
    if not answer.explanations:
        raise ValueError("it has no explanation")
    return answer


def _neither(error: Exception) -> InvalidEvidence:
    reason = shown(first_reason(error), 200)
    return InvalidEvidence(
        f"This is neither an evidence record nor an answer of VideoVisual ({reason}). Give a "
        "file that `save` or `-o` wrote as evidence.json, .json or .npz."
    )
