"""How far a soak has come, kept in a file so that it can go on after a stop."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.soak.watch import growth
from videovisual.utils.files import write_whole


@dataclass
class Progress:
    """A soak's counts so far.

    Attributes:
        seed: of the inputs.
        next: the first input that has not been sent.
        seconds: how long the soak has run.
        outcomes: how many inputs of a kind came to an outcome.
        anomalies: what may not be: each with its input's number, kind and note.
        slowest: the longest time to an answer by kind, in seconds.
        repeated: inputs that were sent again, for the same answer.
        late: inputs that were late beside others, and in time alone.
        memory: samples of each server that was started.
    """

    seed: int
    next: int = 0
    seconds: float = 0.0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    anomalies: list[dict[str, Any]] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    late: int = 0
    memory: list[list[dict[str, float]]] = field(default_factory=list)

    def note(self, kind: str, outcome: str, seconds: float = 0.0) -> None:
        """Count one input."""
        self.outcomes.setdefault(kind, Counter())[outcome] += 1
        self.slowest[kind] = max(self.slowest.get(kind, 0.0), round(seconds, 3))

    @property
    def inputs(self) -> int:
        """How many inputs there were."""
        return sum(sum(counts.values()) for counts in self.outcomes.values())

    @property
    def growth(self) -> dict[str, float]:
        """Growth of memory during the longest run of one server."""
        return growth(max(self.memory, key=len, default=[]))

    def faults(self, kind: str) -> int:
        """How many anomalies are of one kind: `crash`, `hang` or `wrong`."""
        return sum(anomaly["fault"] == kind for anomaly in self.anomalies)

    def to_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {**vars(self), "memory": [samples[-2000:] for samples in self.memory]}

    @classmethod
    def read(cls, path: Path) -> "Progress":
        """What `to_json` gave."""
        given = json.loads(path.read_text("utf-8"))
        given["outcomes"] = {kind: Counter(counts) for kind, counts in given["outcomes"].items()}
        return cls(**given)

    def write(self, path: Path) -> None:
        """Replace the file by what there is now."""
        write_whole(path, json.dumps(self.to_json()))
