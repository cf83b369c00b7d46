"""A pass of the network against the machine's rate of a matrix product."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.row import Row, clock
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import by_turns
from videovisual.engine.probe import Probe, Reading

SIDES = {"cpu": 3072, "cuda": 8192}
RATES = {"r3d": 0.8, "mc3": 0.8, "r2plus1d": 0.55, "i3d": 0.5}


def rate(subject: Subject, *, rounds: int) -> Row:
    """Forward and backward, in operations a second, over the rate of a matrix product."""
    clip = subject.clips[0][None].to(subject.runner.device)
    left, right = _factors(subject, torch.float32)
    operations = _operations(subject, clip)
    seconds = by_turns(
        {
            "product": lambda: left @ right,
            "ours": lambda: _ours(subject, clip, reduced=False),
            "torch": lambda: _plain(subject, clip),
        },
        rounds,
    )
    machine = 2 * len(left) ** 3 / seconds["product"]
    share = {name: operations / seconds[name] / machine for name in ("ours", "torch")}
    bar = RATES.get(subject.name.partition("-")[0])
    small = subject.name.endswith("-motion")
    return Row(
        f"{subject.name}: forward and backward over the rate of a matrix product",
        "" if small or bar is None else f"≥ {bar:.0%}",
        f"{share['ours']:.0%}, {clock(seconds['ours'])}; by torch alone {share['torch']:.0%}",
        None if small or bar is None else share["ours"] >= bar,
        {"seconds": seconds, "operations": operations, "share": share, "machine": machine},
    )


def reduced_rate(subject: Subject, *, rounds: int) -> Row | None:
    """The same in bfloat16 or float16; None where a search uses float32."""
    clip = subject.clips[0][None].to(subject.runner.device)
    dtype = _ours(subject, clip, reduced=True).precision
    if dtype == torch.float32:
        return None
    left, right = _factors(subject, dtype)
    operations = _operations(subject, clip)
    seconds = by_turns(
        {
            "product": lambda: left @ right,
            "ours": lambda: _ours(subject, clip, reduced=True),
            "float32": lambda: _ours(subject, clip, reduced=False),
        },
        rounds,
    )
    machine = 2 * len(left) ** 3 / seconds["product"]
    share = operations / seconds["ours"] / machine
    times = seconds["float32"] / seconds["ours"]
    words = str(dtype).removeprefix("torch.")
    return Row(
        f"{subject.name}: forward and backward by {words} over the rate of such a product",
        "",
        f"{share:.0%} of {machine / 1e12:.1f} TFLOP/s, {clock(seconds['ours'])}; "
        f"{times:.1f} × as fast as by float32",
        None,
        {"seconds": seconds, "operations": operations, "share": share, "machine": machine},
    )


def _factors(subject: Subject, dtype: torch.dtype) -> list[torch.Tensor]:
    device = subject.runner.device
    side = SIDES[device.type]
    return [torch.randn(side, side, device=device).to(dtype) for _ in range(2)]


def _operations(subject: Subject, clip: torch.Tensor) -> int:
    leaf = clip.clone().requires_grad_()
    with FlopCounterMode(display=False) as counter:
        subject.classifier.network(leaf)[:, 0].sum().backward()
    return int(counter.get_total_flops())


def _ours(subject: Subject, clip: torch.Tensor, *, reduced: bool) -> Reading:
    target = torch.tensor([0])
    probe = Probe(clip, target, gradient=True, folded=True, reduced_precision=reduced)
    return subject.runner.evaluate(probe)


def _plain(subject: Subject, clip: torch.Tensor) -> None:
    leaf = clip.clone().requires_grad_()
    torch.autograd.grad(subject.classifier.network(leaf)[:, 0].sum(), leaf)
