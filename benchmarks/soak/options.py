"""Options of requests: valid ones, and ones that no request may have."""

import json
import random
from typing import Any

from benchmarks.soak.message import Message, Part, any_form, message
from videovisual.attribution.catalogue import ENTRIES
from videovisual.protocol import Options
from videovisual.protocol.options import OF_EXPLANATIONS

DEADLINE_S = 2.0
"""Given in nearly every request, so that the slowest answer is known."""

WORK: tuple[dict[str, Any], ...] = (
    *({},) * 8,
    {"top_k": 3},
    {"views": 3},
    {"timeline": True},
    {"frames": 16},
    {"start_s": 0.25, "end_s": 1.5},
    {"method": "gradient"},
    {"method": "grad_cam"},
    {"method": "grad_cam", "output": "png"},
    {"method": "gradient", "output": "gif"},
    {"method": "gradient", "output": "html"},
    {"method": "gradient", "output": "npz"},
    {"method": "gradient", "output": "mp4"},
    {"method": "integrated_gradients", "steps": 2, "stream": True},
    {"method": "gradient_x_input", "polarity": "positive"},
)
"""Valid options, each of little work; most classify."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 17, 1025, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0),
    *(1e308, 1e-320, float("nan"), float("inf"), "", " ", "nan", "inf", "-inf", "1e999", "0x10"),
    *("1_000", "１２", "9" * 5000, "true", "TRUE", "yes", "null", "None", "[]", "[1]", '["top1"]'),
    *("[" * 5000, '["top1", ["top1"]]', "{}", '{"b64": "AAAA"}', [], [[]], {}, {"a": 1}),
    *(["top1"] * 9, [None], [True], ["gradient", "gradient"], "grad_cam,gradient", "gradient\x00"),
    *("\ud800", "\u202e\u0000", "é" * 2000, "🎬" * 300, "\r\nX-Evil: 1", "a" * 100_000, "%s%n"),
    *("../../etc/passwd", "${jndi:ldap://x}", "<script>", "top1 ", "TOP1", "moves left", "-1"),
    *("positive", "both", "json", "PNG", "layer4", "layer4.1.conv2", "__class__", "float16"),
)

PLAUSIBLE: dict[str, tuple[Any, ...]] = {
    "target": (0, "3", "top1", "moves left", ["top1", 1], '["0", "1"]', "MOVES LEFT"),
    "method": (*(entry.name for entry in ENTRIES), ["gradient", "grad_cam"]),
    "output": ("npz", "png", "gif", "mp4", "html", "json"),
    "frames": (16, 8, 1),
    "end_s": (0.5, 1.0, 2.0),
    "start_s": (0.0, 0.1, 1.9),
    "polarity": ("positive", "negative"),
    "baseline": ("blur", "black", "zero", "noise", "mean"),
    "precision": ("float32", "bfloat16"),
}
"""What these options may well be; others are numbers or yes and no."""

NAMES = (
    *("", " ", "video2", "Video", "frame", "frame_", "frame_1000000000", "frame_-1", "cancel"),
    *("__proto__", "self", "method ", "mêthode", "x" * 100_000, "inputs", "parameters", "b64"),
    *("instances", "steps[]", "timeout-s", "data", "body", "\x00", "clip", "limits", "model"),
)
METHODS = tuple(entry.name for entry in ENTRIES)


def known(method: str | None) -> tuple[str, ...]:
    """The names of the options that a method may have, or a classification."""
    # A job's answer has its id, which is another one each time.
    names = set(Options.model_fields) - {"job"}
    if method is None:
        names -= set(OF_EXPLANATIONS)
    for entry in ENTRIES:
        if entry.name == method:
            names |= set(entry.parameters.model_fields)
    return tuple(sorted(names))


def bad_options(model: str, token: str, clip: bytes, rng: random.Random) -> tuple[Message, str]:
    """A request about a valid clip, and what is bad about it."""
    options: dict[str, Any] = {"timeout_s": DEADLINE_S, **rng.choice(WORK)}
    if rng.random() < 0.5:
        options["method"] = rng.choice(METHODS)
    named = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        method = options.get("method") if rng.random() < 0.9 else rng.choice(METHODS)
        names = known(method if isinstance(method, str) else None)
        name = rng.choice(names if rng.random() < 0.85 else NAMES)
        fitting = PLAUSIBLE.get(name, (1, 2, 3, True, 0.5))
        options[name] = rng.choice(fitting if rng.random() < 0.5 else VALUES)
        named.append(name[:20])
    form = any_form(rng)
    made = message(model, token, clip, _writable(options, form), form)
    if form == "form" and rng.random() < 0.15:
        made = _doubled(made, rng)
        named.append("doubled")
    return made, f"{form} {' '.join(named)}"


def _writable(options: dict[str, Any], form: str) -> dict[str, Any]:
    """The options without names that would break the form itself."""
    if form in {"json", "kserve"}:
        return options
    bad = set('"\r\n\x00 :') if form == "form" else set('"\r\n\x00 :ê')
    kept = {name: value for name, value in options.items() if name and not set(name) & bad}
    if form == "raw":
        return {
            name[:1000]: _line(value) for name, value in kept.items() if not isinstance(value, dict)
        }
    return kept


def _line(value: Any) -> str:
    """A value that fits into a header."""
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(c for c in text if c.isprintable() and ord(c) < 256)[:2000]


def _doubled(made: Message, rng: random.Random) -> Message:
    """A form with a part twice, or with parts in another order."""
    parts: list[Part] = [*made.parts, rng.choice(made.parts)]
    rng.shuffle(parts)
    return Message(made.path, made.token, parts=tuple(parts))
