"""The soak's inputs: each follows from the seed and its number alone."""

import base64
import random
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from benchmarks.soak.connection import Leaving
from benchmarks.soak.damage import damaged
from benchmarks.soak.documents import damaged_document
from benchmarks.soak.framing import misframed
from benchmarks.soak.message import Message, Part, any_form, message
from benchmarks.soak.options import DEADLINE_S, WORK, bad_options
from benchmarks.soak.originals import originals, parts

CONTROL_EVERY = 50
GRACE_S = 1.0
"""Beyond its deadline an input is late."""

UNKNOWN_S = 30.0
"""The limit of an input whose deadline may have been damaged."""

SHARES = {
    "clip": 52,
    "frames": 4,
    "options": 14,
    "document": 7,
    "framing": 9,
    "leaver": 5,
    "slow": 1,
    "answer": 8,
}
"""Kinds of input, in parts of 100; a control is every fiftieth."""

CONTROLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("npz", "form", {}),
    ("mp4", "form", {"top_k": 3}),
    ("webm", "json", {}),
    ("zip of png", "raw", {"method": "gradient"}),
    ("mkv", "form", {"method": "grad_cam", "output": "png"}),
    ("timed npz", "kserve", {"method": "integrated_gradients", "steps": 3}),
    ("avi", "form", {"method": "gradient", "output": "npz"}),
    ("npz", "form", {"method": "smooth_grad", "samples": 3, "stream": True}),
    ("mjpeg", "form", {"method": "step", "iterations": 3}),
    ("npz", "form", {"method": "gradient", "target": "no such class"}),
    ("npz", "raw", {"views": 3}),
)
"""Requests whose answers are known: clip, form and options."""

LONG: tuple[dict[str, Any], ...] = (
    {"method": "rise", "masks": 400},
    {"method": "step", "iterations": 200},
    {"method": "integrated_gradients", "steps": 200, "stream": True},
    {"method": "ep_3d", "iterations": 100, "stream": True, "partial_every_s": 0.2},
    {"views": 30},
    {},
)
"""What clients leave during."""


@dataclass(frozen=True)
class Input:
    """One input.

    Attributes:
        index: its number.
        kind: one of `SHARES`, or `control`.
        note: what was done to it.
        sent: the whole HTTP request; of an `answer`, nothing.
        limit_s: how long an answer may take.
        leaving: of a leaver, when it leaves.
        control: the request's place in `CONTROLS`, and the model; its answer is known.
        foreign: whether TorchServe itself may answer.
        incomplete: whether TorchServe may wait for more.
        pieces: in how many pieces it is sent.
        repeatable: whether its answer does not depend on the time.
    """

    index: int
    kind: str
    note: str
    sent: bytes = b""
    limit_s: float = DEADLINE_S + GRACE_S
    leaving: Leaving | None = None
    control: tuple[int, str] | None = None
    foreign: bool = False
    incomplete: bool = False
    pieces: int = 1
    repeatable: bool = True


def _is_repeatable(options: dict[str, Any]) -> bool:
    """Whether the answer has the same bytes again: the mp4 encoder's differ from time to time."""
    return options.get("output") != "mp4"


class Inputs:
    """All inputs of a seed.

    Args:
        seed: of everything random.
        models: the served models.
        token: the server's inference key, which changes nothing but the header.
    """

    def __init__(self, seed: int, models: list[str], token: str) -> None:
        self.seed = seed
        self.models = models
        self.token = token

    @cached_property
    def originals(self) -> dict[str, bytes]:
        return originals()

    @cached_property
    def parts(self) -> dict[str, bytes]:
        return parts()

    def __getitem__(self, index: int) -> Input:
        rng = random.Random(f"{self.seed}:{index}")
        model = rng.choice(self.models)
        if index % CONTROL_EVERY == 0:
            return self.control(index // CONTROL_EVERY % len(CONTROLS), model, index)
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
        made: Input = getattr(self, f"_{kind}")(index, model, rng)
        return made

    def control(self, place: int, model: str, index: int = 0) -> Input:
        """A request whose answer is known."""
        clip, form, options = CONTROLS[place]
        given = {"timeout_s": UNKNOWN_S, **options}
        made = message(model, self.token, self.originals[clip], given, form)
        return Input(
            index,
            "control",
            f"{clip} {form} {options}",
            made.to_bytes(),
            UNKNOWN_S + GRACE_S,
            control=(place, model),
        )

    def _clip(self, index: int, model: str, rng: random.Random) -> Input:
        name = rng.choice(list(self.originals))
        clip, faults = damaged(self.originals[name], rng)
        form = any_form(rng)
        options = {**rng.choice(WORK), "timeout_s": DEADLINE_S}
        made = message(model, self.token, clip, options, form)
        note = f"{name} {faults} {form} {options}"
        return Input(index, "clip", note, made.to_bytes(), repeatable=_is_repeatable(options))

    def _frames(self, index: int, model: str, rng: random.Random) -> Input:
        frames = dict(self.parts)
        at, faults = rng.choice(list(frames)), "valid"
        if rng.random() < 0.8:
            frames[at], faults = damaged(frames[at], rng)
        if rng.random() < 0.3:
            frames[rng.choice(("frame_16", "frame_1", "frame_x", "frame_0000"))] = frames.pop(at)
            faults += "+renamed"
        fields = tuple(Part(each, data, each, "image/jpeg") for each, data in frames.items())
        deadline = Part("timeout_s", str(DEADLINE_S).encode())
        made = Message(f"/predictions/{model}", self.token, parts=(deadline, *fields))
        return Input(index, "frames", f"{at} {faults}", made.to_bytes())

    def _options(self, index: int, model: str, rng: random.Random) -> Input:
        clip = self.originals[rng.choice(("npz", "mp4", "timed npz", "webm", "gif"))]
        made, note = bad_options(model, self.token, clip, rng)
        sent = made.to_bytes()
        # TorchServe answers forms itself that name a part in an unusual way.
        return Input(
            index,
            "options",
            note,
            sent,
            UNKNOWN_S,
            foreign="form" in note,
            repeatable="partial" not in note
            and b"mp4" not in sent[:2000].replace(b"video/mp4", b""),
        )

    def _document(self, index: int, model: str, rng: random.Random) -> Input:
        clip = base64.b64encode(self.originals[rng.choice(("mp4", "webm", "avi"))]).decode()
        options = {**rng.choice(WORK), "timeout_s": DEADLINE_S}
        shape = rng.randrange(3)
        document: dict[str, Any] = {"video": clip, **options}
        if shape == 1:
            document = {"instances": [{"video": {"b64": clip}, **options}]}
        elif shape == 2:
            document = {"cancel": f"{rng.randrange(10**9)}"}
        body, fault = damaged_document(document, rng)
        path = f"/v1/models/{model}:predict" if shape == 1 else f"/predictions/{model}"
        made = Message(path, self.token, body, content_type="application/json")
        return Input(
            index,
            "document",
            f"{shape} {fault}",
            made.to_bytes(),
            UNKNOWN_S,
            repeatable=_is_repeatable(options),
        )

    def _framing(self, index: int, model: str, rng: random.Random) -> Input:
        clip = self.originals[rng.choice(("mp4", "webm"))]
        options = {**rng.choice(WORK), "timeout_s": DEADLINE_S}
        made = message(model, self.token, clip, options, any_form(rng))
        sent, faults = misframed(made, model, rng)
        return Input(index, "framing", faults, sent, UNKNOWN_S, foreign=True, incomplete=True)

    def _leaver(self, index: int, model: str, rng: random.Random) -> Input:
        clip = self.originals[rng.choice(("npz", "mp4"))]
        options = {**rng.choice(LONG), "timeout_s": DEADLINE_S / 2}
        made = message(model, self.token, clip, options, any_form(rng))
        leaving = Leaving(
            sent=rng.choice((rng.random(), 1.0, 1.0)),
            stay_s=rng.choice((0.0, 0.01, 0.1, rng.uniform(0, 1.5))),
            read=rng.choice((0, 1, 100, 10_000)),
            how=rng.choice(("close", "close", "reset", "half")),
        )
        return Input(index, "leaver", f"{options} {leaving}", made.to_bytes(), leaving=leaving)

    def _slow(self, index: int, model: str, rng: random.Random) -> Input:
        """A valid request that comes in pieces."""
        made = self.control(rng.randrange(len(CONTROLS)), model, index)
        return replace(made, kind="slow", pieces=rng.choice((2, 5, 30)))

    def _answer(self, index: int, model: str, rng: random.Random) -> Input:
        return Input(index, "answer", "", limit_s=GRACE_S)
