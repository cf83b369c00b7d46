"""Integrated gradients beside Captum's and the research code's, Grad-CAM beside a full backward."""

from __future__ import annotations

from typing import Any

import torch
from captum import attr
from torch.nn import functional as F

from benchmarks.row import Row
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import by_turns
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.engine.engine import run
from videovisual.saliency import Saliency

SEED_STEPS = 25
"""Of the research code, by the left Riemann rule."""


def _ours(subject: Subject, case: Case, method: str, **given: Any) -> Saliency:
    entry = catalogue.find(method)
    return run(subject.oracle, entry.load()(case, entry.parse(given)))


def _unfrozen(subject: Subject, case: Case) -> torch.Tensor:
    """The clip's gradient as one takes it without freezing the weights."""
    network = subject.classifier.network.requires_grad_(True)
    leaf = case.clip[None].clone().requires_grad_()
    network(leaf)[0, case.target].backward()
    network.requires_grad_(False).zero_grad()
    assert leaf.grad is not None
    return leaf.grad


def integrated_gradients(subject: Subject, *, rounds: int) -> list[Row]:
    """Ours by default, Captum's by default (50 Gauss-Legendre steps), and 25 left Riemann steps."""
    case = subject.case(4)
    network = subject.classifier.network
    black = case.flat(0.0).expand_as(case.clip)
    captum = attr.IntegratedGradients(network)
    logits = subject.classifier.logits(torch.stack([black, case.clip]))[:, case.target]
    rise = float(logits[1] - logits[0])

    def theirs() -> torch.Tensor:
        found: torch.Tensor = captum.attribute(
            case.clip[None], baselines=black[None], target=case.target, internal_batch_size=1
        )
        return found

    def seeds() -> torch.Tensor:
        total = torch.zeros_like(case.clip)
        for step in range(SEED_STEPS):
            point = black + step / SEED_STEPS * (case.clip - black)
            total += _unfrozen(subject, Case(point, case.target, case.card))[0]
        return total / SEED_STEPS * (case.clip - black)

    seconds = by_turns(
        {
            "ours": lambda: _ours(subject, case, "integrated_gradients"),
            "captum": theirs,
            "seed": seeds,
        },
        rounds,
    )
    ours = _ours(subject, case, "integrated_gradients").diagnostics["relative_delta"]
    errors = {
        "ours": ours,
        "captum": abs(float(theirs().sum()) - rise) / abs(rise),
        "seed": abs(float(seeds().sum()) - rise) / abs(rise),
    }
    rows = []
    for name, words, bar in (
        ("captum", "Captum's default", 4.0),
        ("seed", f"{SEED_STEPS} left steps", 2.5),
    ):
        ratio = seconds[name] / seconds["ours"]
        rows.append(
            Row(
                f"{subject.name}: `integrated_gradients` against {words}",
                f"≥ {bar:g} × at no larger error",
                f"{ratio:.1f} × ({seconds['ours']:.2f} s against {seconds[name]:.2f}); incomplete "
                f"by {errors['ours']:.2%} against {errors[name]:.2%}",
                ratio >= bar and errors["ours"] <= errors[name],
                {"seconds": seconds, "errors": errors},
            )
        )
    return rows


def grad_cam(subject: Subject, *, rounds: int) -> Row:
    """Against a backward pass through the whole network, with weights that want gradients too."""
    case = subject.case(4)
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
        f"{ratio:.1f} × ({seconds['ours']:.2f} s against {seconds['full']:.2f})",
        ratio >= 2.5,
        {"seconds": seconds},
    )
