"""What a request costs: passes of the network, memory and the answer's size, before it is run."""

from dataclasses import dataclass

from videovisual import faithfulness
from videovisual.clips.limits import MIB
from videovisual.clips.windows import MAX_SECONDS
from videovisual.errors import TooLarge
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.multiview import MAX_WINDOWS
from videovisual.pipeline.plan import Plan
from videovisual.protocol import Output
from videovisual.zoo import Classifier

RUNS = 1 + len(faithfulness.CHANGES)
"""Runs of a method whose stability is measured."""

CHANGED_HELD = 2
"""Clips that a changed clip and its map take beside a method's own."""

EVALUATION_HELD = 32
"""Clips that an evaluation holds: among them all random halves."""

REQUEST_BYTES = 12 * MIB
"""Bytes of any request: its thread, Python's own objects, its progress."""

PREPARED = 3
"""Clips that hold the network's input while it is made, and after."""

MAP_COPIES = 8
"""A map, in base64, and in the answer's JSON while that is written."""

DRAWN_COPIES = 4
"""Copies of a map while it is drawn."""

DRAWING = {
    Output.JSON: 0,
    Output.NPZ: 0,
    Output.PNG: 192 * MIB,
    Output.GIF: 320 * MIB,
    Output.MP4: 448 * MIB,
    Output.HTML: 320 * MIB,
}
"""Bytes that drawing takes, whatever the clip."""


@dataclass(frozen=True)
class Cost:
    """What a plan costs at most.

    Attributes:
        passes: clips that the network evaluates.
        held: bytes beside the source's frames, the upload and the network's own.
        reply: bytes of maps in the answer; 0 for pictures.
    """

    passes: int
    held: int
    reply: int

    @classmethod
    def of(cls, plan: Plan, batch: int = 1) -> "Cost":
        """A plan's cost where a pass has up to `batch` clips."""
        options = plan.options
        pixels = plan.shape[0] * plan.shape[1] * plan.shape[2]
        clip, one_map = 12 * pixels, 4 * pixels
        working = [_held(plan.classifier, explainer, batch, clip) for explainer in plan.explainers]
        if options.evaluate:
            working.append(EVALUATION_HELD + 2 * batch)
        if options.stability:
            working.append(CHANGED_HELD + max(working, default=0))
        maps = len(plan.explainers) * len(options.target) * (1 + (options.polarity != "both"))
        copies = MAP_COPIES + (DRAWN_COPIES if DRAWING[options.output] else 0)
        held = (PREPARED + max(working, default=2 * batch)) * clip + copies * maps * one_map
        written = options.output is Output.JSON
        return cls(
            windows_of(plan) + sum(passes_of(plan)),
            REQUEST_BYTES + int(held) + (DRAWING[options.output] if maps else 0),
            maps * one_map * 4 // 3 if written else 0,
        )


def _held(classifier: Classifier, explainer: Explainer, batch: int, clip: int) -> float:
    """What a method holds beside the network's own, in clips of so many bytes."""
    reads_attention = "attention" in explainer.entry.needs
    attention = classifier.attention_bytes if reads_attention else 0
    return explainer.parameters.held(batch) + attention / clip


def windows_of(plan: Plan) -> int:
    """The most windows that are classified."""
    if plan.options.window == "best":
        return MAX_WINDOWS + 1
    return MAX_SECONDS if plan.options.timeline else plan.options.views


def passes_of(plan: Plan) -> list[int]:
    """Passes of each method, for all targets."""
    runs = RUNS if plan.options.stability else 1
    each = faithfulness.EVALUATION if plan.options.evaluate else 0
    targets = len(plan.options.target)
    return [
        targets * (runs * explainer.parameters.passes(plan.shape) + each)
        for explainer in plan.explainers
    ]


def check_passes(plan: Plan, maximum: int) -> None:
    """Raise TooLarge where a plan takes more than `maximum` passes of the network.

    Raises:
        InvalidParameter: a stride larger than its box.
        TooLarge: the message says which parameter of which method to change.
    """
    counts, windows = passes_of(plan), windows_of(plan)
    total = windows + sum(counts)
    if total <= maximum:
        return
    # The costliest part, and what it depends on.
    parts: list[tuple[int, str, tuple[str, ...]]] = [(windows, "windows", ("views", "timeline"))]
    parts += [
        (count, explainer.entry.name, explainer.parameters.COSTLY)
        for count, explainer in zip(counts, plan.explainers, strict=True)
    ]
    count, name, costly = max(parts, key=lambda part: part[0])
    factors = {
        "stability": plan.options.stability and name != "windows",
        "target": len(plan.options.target) > 1,
    }
    more = tuple(factor for factor, counts in factors.items() if counts)
    raise TooLarge(
        f"This request takes {total} passes of the network, {count} of them for {name}; at most "
        f"{maximum} are made (the server's max_passes). Change {' or '.join((*costly, *more))}.",
        parameter=next(iter((*costly, *more)), None),
        found=total,
        allowed=maximum,
    )
