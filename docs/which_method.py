"""Generates `which-method.md` beside this file from the measurements: `make docs`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from videovisual.attribution import catalogue

PAGE = Path(__file__).with_name("which-method.md")
MEASURED = Path(__file__).parents[1] / "benchmarks" / "results" / "faithfulness.json"

FLOORS = ("random", "centre")
TRANSFORMERS = ("swin3d-motion", "videomae-motion")
SINGLE = ("gradient", "gradient_x_input", "grad_cam", "attention_rollout", "attention_relevance")
"""Methods of one or two passes."""

INTRODUCTION = """\
# Which method when

<!-- Written by docs/which_method.py from benchmarks/results/faithfulness.json. Don't edit it: run
`make docs`. -->

No method is reliable alone. Start with the default, `gradient`; for a result that matters run a
search too, and read the [warnings](pictures.md#warnings) and the measures of `videovisual
evaluate`. The recommendations below follow from the measurement on the small models, whose clips
have known evidence ([Motion](methods.md#measured)). Real clips, which have none, were measured
[with I3D](methods.md#defaults).

Two measures say different things:

- **Pointing**: in how many frames the map's maximum lies on the known evidence. It asks whether
  the map agrees with a person.
- **Insertion − deletion**: how fast the class comes when the strongest pixels are shown first,
  less how much of it stays when they are hidden first. It asks whether the map agrees with the
  network.

## By what you want

The two methods with the best means, of those that were measured on every model in question:
"""

COMPUTED = (
    (
        "evidence against the class too",
        "`integrated_gradients`, `gradient_x_input`, `occlusion`, `lime`, `frame_shapley`",
        "their maps are signed",
    ),
    (
        "a map that sums to the rise of the logit",
        "`integrated_gradients`",
        'its warning "Incomplete" says when the sum depends on the correction',
    ),
    (
        "how much of the clip suffices",
        "`step`, `ep_3d`, with several `area`",
        "a mask, with the probability behind it",
    ),
    (
        "when, not where",
        "`frame_shapley`",
        "exact up to 10 moments; it points nowhere within a frame",
    ),
    (
        "one class apart from another",
        "any but `attention_rollout`",
        "rollout has the same map for every class",
    ),
    (
        "a comparison with published results",
        "TorchRay's methods",
        "the extra `torchray`, not for commercial use",
    ),
)
"""Wishes that no score decides: methods and notes."""

RANDOMISED = """\
"Randomised" is the rank correlation of a map with that of the same network with random weights. Far
from 1 is good: a map that hardly changes shows the clip and the method's own shapes more than what
the network has learnt. Smooth maps correlate by their smoothness alone. "Worst" is the model on
which the method points worst.
"""

SEEN = """\
## Before you trust a map

1. Is the prediction right, and is the class likely? Below 5% a map explains a guess.
2. Do two methods of different kinds agree? `videovisual compare` prints the overlap; chance is 10%.
3. Does hiding the evidence lose the class? `videovisual evaluate` measures it in twelve ways.
4. Is the map stable? `--stability` runs the method again on inputs that look the same.
5. [What the measures can't see](methods.md#what-the-measures-cant-see) is the rest.
"""


@dataclass(frozen=True)
class Question:
    """What somebody wants, and the measure that answers.

    Attributes:
        wish: in words.
        column: the measure that decides; higher is better.
        methods: the methods in question.
        models: the models in question.
        note: what else to know.
    """

    wish: str
    column: str
    methods: Sequence[str]
    models: Sequence[str]
    note: str = ""


Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]


class Measured:
    """Means of the measurements.

    Args:
        rows: by model and method.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.models = list(rows)
        self.convolutional = [name for name in rows if name not in TRANSFORMERS]
        self.transformers = [name for name in rows if name in TRANSFORMERS]
        self.methods = [entry.name for entry in catalogue.ENTRIES if self.pointing(entry.name)]

    def mean(self, method: str, column: str, models: Iterable[str]) -> float | None:
        """The mean over the models; None where one of them has no value."""
        values = [self.value(method, column, model) for model in models]
        return None if None in values else fmean(value for value in values if value is not None)

    def value(self, method: str, column: str, model: str) -> float | None:
        """One measure; `difference` is insertion − deletion."""
        row = self.rows[model].get(method, {})
        if column == "difference":
            return row["insertion"] - row["deletion"] if "insertion" in row else None
        return row.get(column)

    def best(self, question: Question) -> list[str]:
        """The methods in question that were measured on all its models, best first."""
        scores = {
            name: score
            for name in question.methods
            if (score := self.mean(name, question.column, question.models)) is not None
        }
        return sorted(scores, key=scores.__getitem__, reverse=True)

    def pointing(self, method: str) -> dict[str, float]:
        """How well the method points, on each of the models of which it has maps."""
        scores = {model: self.value(method, "pointing", model) for model in self.models}
        return {model: score for model, score in scores.items() if score is not None}


def questions(measured: Measured) -> list[Question]:
    """What people ask, most frequent first."""
    scores = [entry.name for entry in catalogue.ENTRIES if entry.needs == "scores"]
    every, methods = measured.models, measured.methods
    searches = "minutes for a large network on a processor"
    return [
        Question("a first look, in one or two passes", "difference", SINGLE, every, "the default"),
        Question("to know where the evidence is", "pointing", methods, every, searches),
        Question("pixels that make and lose the class", "difference", methods, every),
        Question(
            *("an answer from scores alone: ONNX, a function, another server", "difference"),
            *(scores, every, f"the default, `{catalogue.DEFAULT_BY_SCORES}`, points better"),
        ),
        Question("the evidence of a transformer", "pointing", methods, measured.transformers),
        Question(
            *("a transformer, in one or two passes", "difference", SINGLE, measured.transformers),
            "attention needs a network that lets it be read: VideoMAE, not Video Swin",
        ),
    ]


NAMES = {"pointing": "pointing", "difference": "insertion − deletion"}


def page() -> str:
    """The page as Markdown."""
    found = json.loads(MEASURED.read_text("utf-8"))
    return "\n".join(_parts(Measured(found["results"]), found["overridden"]))


def _parts(measured: Measured, overridden: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield INTRODUCTION
    yield from _table(
        ("you want", "take", "or", "by", "note"),
        (_answer(measured, question) for question in questions(measured)),
    )
    yield "\nSome questions are about what a map means, and no score answers them:\n"
    yield from _table(("you want", "method", "note"), COMPUTED)
    yield "\n## By the network\n"
    changed = ", ".join(
        f"`{method}` with {name}={value}"
        for method, parameters in overridden.items()
        for name, value in parameters.items()
    )
    yield (
        f"Means over {len(measured.convolutional)} convolutional networks and "
        f"{len(measured.transformers)} transformers; empty where a method was not measured on\n"
        "all of them. Passes are those of the default parameters, with which all were measured"
        f"{f', but {changed}' if changed else ''}.\n"
    )
    groups = (measured.convolutional, measured.transformers)
    head = [
        f"{kind}: {name}" for kind in ("convolutional", "transformers") for name in NAMES.values()
    ]
    order = sorted(
        measured.methods, key=lambda name: -(measured.mean(name, "pointing", measured.models) or 0)
    )
    yield from _table(
        ("method", "passes", *head),
        ((f"`{name}`", _cost(name), *_cells(measured, name, groups)) for name in [*order, *FLOORS]),
    )
    yield "\n## Where methods fail\n"
    yield RANDOMISED
    yield from _table(
        ("method", "randomised", "worst", "points there"),
        (_weakness(measured, name) for name in order),
    )
    yield f"\n{SEEN}"


def _answer(measured: Measured, question: Question) -> Iterator[str]:
    yield question.wish
    for name in measured.best(question)[:2]:
        score = measured.mean(name, question.column, question.models)
        yield f"`{name}` ({score:.2f})"
    yield NAMES[question.column]
    yield question.note


def _cells(measured: Measured, method: str, groups: Iterable[Sequence[str]]) -> Iterator[str]:
    for models in groups:
        for column in NAMES:
            score = measured.mean(method, column, models)
            yield "" if score is None else f"{score:.2f}"


def _cost(method: str) -> str:
    return "none" if method in FLOORS else catalogue.find(method).default_cost


def _weakness(measured: Measured, method: str) -> Iterator[str]:
    known = measured.pointing(method)
    similarity = measured.mean(method, "similarity", known)
    model, score = min(known.items(), key=lambda item: item[1])
    yield f"`{method}`"
    yield "" if similarity is None else f"{similarity:.2f}"
    yield f"`{model}`"
    yield f"{score:.2f}"


def _table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
