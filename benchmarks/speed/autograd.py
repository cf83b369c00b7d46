"""A search whose gradients are taken by autograd of the plain network, in place of our engine's."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import torch

from benchmarks.row import Row, clock
from benchmarks.speed.perturbation import iterations
from benchmarks.speed.subject import Subject
from videovisual.engine.batch import Kind
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Reading


class AutogradRunner(ModelRunner):
    """Runs the network as its author gave it, in float32."""

    def read(self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor | None) -> Reading:
        if not kind.gradient:
            with torch.inference_mode():
                return Reading(self.network(clips), scores=self.scores)
        assert targets is not None
        leaf = clips.detach().requires_grad_()
        logits = self.network(leaf)
        objective = kind.objective.of(logits, targets, self.scores).sum()
        (gradient,) = torch.autograd.grad(objective, leaf)
        return Reading(logits.detach(), gradient=gradient, scores=self.scores)


def iteration(subject: Subject, method: str, *, rounds: int) -> Row:
    """One iteration of a default search against the same search by autograd."""
    network, runner = subject.classifier.network, subject.runner
    plain = replace(subject, runner=AutogradRunner(network, runner.device, scores=runner.scores))
    seconds: dict[str, list[float]] = {"ours": [], "autograd": []}
    for turn in range(rounds + 1):
        for name, each in (("ours", subject), ("autograd", plain)):
            taken = iterations(each, method, "quick", 2)
            # The first turn warms up.
            seconds[name] += [interval.seconds for interval in taken if turn]
    found = {name: median(values) for name, values in seconds.items()}
    ratio = found["autograd"] / found["ours"]
    return Row(
        f"{subject.name}: one `{method}` iteration against the same search by autograd",
        "no slower",
        f"{ratio:.2f} × ({clock(found['ours'])} against {clock(found['autograd'])})",
        ratio >= 1,
        {"iteration_s": found},
    )
