"""An answer as tensors: `logits`, `scores`, `labels`, `saliency` and `answer`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.engine.scores import Scores
from videovisual.pipeline.pipeline import Result
from videovisual.zoo import ModelCard

LOGITS, SCORES, LABELS, SALIENCY, ANSWER = "logits", "scores", "labels", "saliency", "answer"
TEXTS = (LABELS, ANSWER)

VALUE_BYTES = 4
TEXT_BYTES = 16
"""The most that a value of FP32 takes in JSON, with its comma."""
DIGITS = "%.9g"
"""Nine digits tell any two values of FP32 apart."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of an answer.

    Attributes:
        name: of the output.
        values: float32 of any shape, or texts [N].
    """

    name: str
    values: npt.NDArray[np.float32] | Sequence[bytes]

    @property
    def datatype(self) -> str:
        """FP32 or BYTES."""
        return "FP32" if isinstance(self.values, np.ndarray) else "BYTES"

    @property
    def shape(self) -> list[int]:
        """Its dimensions."""
        values = self.values
        return list(values.shape) if isinstance(values, np.ndarray) else [len(values)]

    def binary(self) -> bytes:
        """The values one after the other, little-endian; a text after its length in 4 bytes."""
        if isinstance(self.values, np.ndarray):
            return np.ascontiguousarray(self.values, "<f4").tobytes()
        return b"".join(len(text).to_bytes(4, "little") + text for text in self.values)

    def text(self) -> str:
        """The values as a flat list of JSON."""
        return f"[{','.join(self._pieces())}]"

    def _pieces(self) -> Iterator[str]:
        if not isinstance(self.values, np.ndarray):
            for text in self.values:
                yield json.dumps(text.decode(), ensure_ascii=False)
            return
        # A frame at a time, since other threads wait meanwhile.
        for part in self.values if self.values.ndim > 1 else [self.values]:
            yield ",".join(map(DIGITS.__mod__, part.ravel().tolist()))


def saliency(number: int) -> str:
    """The name of a map: `saliency`, `saliency_1`, …, as in an npz."""
    return f"{SALIENCY}_{number}" if number else SALIENCY


def names(card: ModelCard, maps: int) -> list[str]:
    """All outputs of an answer with so many maps; the last, `answer`, is sent on request alone."""
    scores = [] if Scores(card.scores) is Scores.RAW else [SCORES]
    return [LOGITS, *scores, LABELS, *(saliency(number) for number in range(maps)), ANSWER]


def tensors(card: ModelCard, result: Result, wanted: Sequence[str]) -> Iterator[Tensor]:
    """The wanted outputs of an answer, in that order."""
    maps = {saliency(number): each.map for number, each in enumerate(result.saliencies)}
    logits = result.logits.float().cpu()
    scores = Scores(card.scores).probabilities(logits)
    arrays: Mapping[str, Any] = {LOGITS: logits.numpy(), SCORES: scores.numpy()}
    for name in wanted:
        if name == LABELS:
            yield Tensor(name, [label.encode() for label in card.labels])
        elif name == ANSWER:
            yield Tensor(name, [result.answer.model_dump_json().encode()])
        else:
            yield Tensor(name, maps[name] if name in maps else arrays[name])
