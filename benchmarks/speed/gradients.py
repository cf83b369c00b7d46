"""Integrated gradients beside Captum's and the research code's, Grad-CAM beside a full backward."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import Any

import torch
from captum import attr
from torch.nn import functional as F

from benchmarks.row import Row, clock
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import by_turns
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.engine.engine import run
from videovisual.saliency import Saliency

SEED_STEPS = 25
"""Of the research code, by the left Riemann rule."""

METHODS = ("integrated_gradients", "grad_cam")

MANY_STEPS = 128
"""Midpoints whose map passes for the integral."""


def _ours(subject: Subject, case: Case, method: str, **given: Any) -> Saliency:
    entry = catalogue.find(method)
    return run(subject.runner, entry.load()(case, entry.parse(given)))


def _unfrozen(subject: Subject, case: Case) -> torch.Tensor:
    """The clip's gradient as one takes it without freezing the weights."""
    network = subject.classifier.network.requires_grad_(True)
    leaf = case.clip[None].clone().requires_grad_()
    network(leaf)[0, case.target].backward()
    network.requires_grad_(False).zero_grad()
    assert leaf.grad is not None
    return leaf.grad


def integrated_gradients(subject: Subject, *, rounds: int) -> list[Row]:
    """Ours by default, Captum's by default (50 Gauss-Legendre steps), and 25 left Riemann steps.

    Seconds are of the first clip. By how much the sum misses the logit's rise, and the map the
    integral, are medians of all.
    """
    cases = subject.cases()
    rules = {"ours": _default, "captum": _captums, "seed": _seeds}
    found: dict[str, torch.Tensor] = {}

    def timed(name: str) -> None:
        found[name] = rules[name](subject, cases[0])

    seconds = by_turns({name: partial(timed, name) for name in rules}, rounds, warm=False)
    truths = [_integral(subject, case) for case in cases]
    sums: dict[str, float] = {}
    maps: dict[str, float] = {}
    for name, rule in rules.items():
        attributions = [found[name] if case is cases[0] else rule(subject, case) for case in cases]
        sums[name] = median(
            _incomplete(subject, case, attribution)
            for case, attribution in zip(cases, attributions, strict=True)
        )
        maps[name] = median(
            float((attribution - truth).abs().sum() / truth.abs().sum())
            for attribution, truth in zip(attributions, truths, strict=True)
        )
    rows = []
    for name, words, bar in (
        ("captum", "Captum's default", 4.0),
        ("seed", f"{SEED_STEPS} left steps", 2.5),
    ):
        ratio = seconds[name] / seconds["ours"]
        rows.append(
            Row(
                f"{subject.name}: `integrated_gradients` against {words}",
                f"≥ {bar:g} × at no larger error of the sum",
                f"{ratio:.1f} × ({clock(seconds['ours'])} against {clock(seconds[name])}); "
                f"sum off by {sums['ours']:.2%} against {sums[name]:.2%}, "
                f"map by {maps['ours']:.0%} against {maps[name]:.0%}",
                ratio >= bar and sums["ours"] <= sums[name],
                {"seconds": seconds, "sums": sums, "maps": maps, "clips": len(cases)},
            )
        )
    return rows


def _black(case: Case) -> torch.Tensor:
    return case.flat(0.0).expand_as(case.clip)


def _incomplete(subject: Subject, case: Case, attribution: torch.Tensor) -> float:
    """By how much a map [T, H, W] misses the logit's rise, over that."""
    logits = subject.classifier.logits(torch.stack([_black(case), case.clip]))[:, case.target]
    rise = float(logits[1] - logits[0])
    return abs(float(attribution.sum(dtype=torch.float64)) - rise) / abs(rise)


def _integral(subject: Subject, case: Case) -> torch.Tensor:
    """The map of so many points that it passes for the integral's."""
    return _ours_map(subject, case, steps=MANY_STEPS, complete=False)


def _default(subject: Subject, case: Case) -> torch.Tensor:
    return _ours_map(subject, case)


def _ours_map(subject: Subject, case: Case, **given: Any) -> torch.Tensor:
    return torch.from_numpy(_ours(subject, case, "integrated_gradients", **given).map)


def _captums(subject: Subject, case: Case) -> torch.Tensor:
    found: torch.Tensor = attr.IntegratedGradients(subject.classifier.network).attribute(
        case.clip[None], baselines=_black(case)[None], target=case.target, internal_batch_size=1
    )
    return found[0].sum(dim=0)


def _seeds(subject: Subject, case: Case) -> torch.Tensor:
    black = _black(case)
    total = torch.zeros_like(case.clip)
    for step in range(SEED_STEPS):
        point = black + step / SEED_STEPS * (case.clip - black)
        total += _unfrozen(subject, Case(point, case.target, case.card))[0]
    return (total / SEED_STEPS * (case.clip - black)).sum(dim=0)


def alone(subject: Subject, method: str, *, rounds: int) -> Row:
    """What a method takes, beside nobody."""
    case = subject.cases()[0]
    seconds = by_turns({"ours": lambda: _ours(subject, case, method)}, rounds)
    return Row(
        f"{subject.name}: `{method}`", "", clock(seconds["ours"]), None, {"seconds": seconds}
    )


def grad_cam(subject: Subject, *, rounds: int) -> Row:
    """Against a backward pass through the whole network, with weights that want gradients too."""
    case = subject.cases()[0]
    network = subject.classifier.network
    layer = network.get_submodule(subject.classifier.card.cam_layer)
    kept: list[torch.Tensor] = []

    def theirs() -> None:
        kept.clear()
        handle = layer.register_forward_hook(lambda _module, _given, out: kept.append(out))
        network.requires_grad_(True)
        leaf = case.clip[None].clone().requires_grad_()
        logits = network(leaf)
        handle.remove()
        kept[0].retain_grad()
        logits[0, case.target].backward()
        network.requires_grad_(False).zero_grad()
        gradient = kept[0].grad
        assert gradient is not None
        weights = gradient.mean(dim=(2, 3, 4), keepdim=True)
        coarse = (weights * kept[0].detach()).sum(dim=1, keepdim=True).relu()
        F.interpolate(coarse, case.clip.shape[1:], mode="trilinear", align_corners=False)

    seconds = by_turns({"ours": lambda: _ours(subject, case, "grad_cam"), "full": theirs}, rounds)
    ratio = seconds["full"] / seconds["ours"]
    return Row(
        f"{subject.name}: `grad_cam` against a full backward pass",
        "≥ 2.5 ×",
        f"{ratio:.1f} × ({clock(seconds['ours'])} against {clock(seconds['full'])})",
        ratio >= 2.5,
        {"seconds": seconds},
    )
