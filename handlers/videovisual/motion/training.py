"""Training the small classifiers on Motion: seeded, resumable, minutes on two cores.

    videovisual train-motion r3d-motion

A network learns nothing from the world as it is, where three objects jump about and the order in
one of them is the only clue. So all objects but the target stand still at first, and jump further
and further as the training goes on.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from videovisual import motion, zoo
from videovisual.errors import InvalidParameter
from videovisual.utils.digest import file_sha256
from videovisual.zoo import transform
from videovisual.zoo.motion import CARDS

Frames = npt.NDArray[np.uint8]
Change = Callable[[Frames, int], Frames]
"""A clip's frames [T, H, W, 3] and its index → the frames that a network is given instead."""

HELD_OUT = range(500)
"""The test clips on which a trained network is measured."""

EVALUATED_AT_ONCE = 25


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, with AdamW.

    Attributes:
        steps: updates.
        batch: clips an update.
        learning_rate: at its peak; it rises over the first tenth of the updates and falls to 0
            as a cosine.
        weight_decay: as in AdamW.
        smoothing: of the labels.
        calm, restless: the shares of the updates until which all objects but the target stand
            still, and from which on the world is as it is; in between they jump further and
            further.
        backwards: whether half of the clips of an update are the other half run backwards, so
            that only the direction of time tells them apart.
        local: weight of a second loss, the same at the places of the target alone; for networks
            whose last layers are `avgpool`, over place and time at once, and `fc`.
    """

    steps: int = 1600
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    smoothing: float = 0.05
    calm: float = 0.35
    restless: float = 0.7
    backwards: bool = False
    local: float = 0.0

    def rate(self, step: int) -> float:
        """The learning rate of an update, counted from 0."""
        done = (step + 0.5) / self.steps
        falling = (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2
        return self.learning_rate * (done / 0.1 if done < 0.1 else falling)

    def unrest(self, step: int) -> float:
        """How far the objects that are not the target jump in an update; see `motion.sample`."""
        risen = (step / self.steps - self.calm) / (self.restless - self.calm)
        return min(max(risen, 0.0), 1.0)


RECIPES: Mapping[str, Recipe] = {card.name: Recipe() for card in CARDS} | {
    "r2plus1d-motion": Recipe(backwards=True),
    "mc3-motion": Recipe(steps=2700, local=1.0),
    "tsm-motion": Recipe(steps=2000, batch=24, learning_rate=4e-3),
}
"""What the classifiers that ship were trained by."""


class Batch(NamedTuple):
    """What an update learns from.

    Attributes:
        clips: float32 [N, 3, T, H, W], as the network is fed them.
        labels: int64 [N].
        evidence: bool [N, T', H', W'], of all frames of the clips as they were drawn.
    """

    clips: torch.Tensor
    labels: torch.Tensor
    evidence: torch.Tensor


@dataclass(frozen=True)
class Progress:
    """How far a training has come: updates done and in all, and their mean loss of late."""

    step: int
    of: int
    loss: float


@dataclass(frozen=True)
class Report:
    """A training's result.

    Attributes:
        weights: the safetensors file.
        size, sha256: of that file, for the card.
        accuracy: top-1 on held-out clips, in [0, 1].
        shuffled, frozen: the same where their frames are shuffled, or all are the middle one.
        wall_s, cpu_s: what the updates took, in seconds, and in those of all threads together.
    """

    weights: Path
    size: int
    sha256: str
    accuracy: float
    shuffled: float
    frozen: float
    wall_s: float
    cpu_s: float


def prepare(spec: zoo.InputSpec, clips: Frames, phase: float = 0.5) -> torch.Tensor:
    """Clips as a network of `spec` is fed them.

    Args:
        spec: what the network is fed.
        clips: uint8 [N, T, H, W, 3].
        phase: which frame of each of the `spec.frames` equal segments of a clip is taken, in
            [0, 1); 0.5 is the one in the middle, as in serving.

    Returns:
        float32 [N, 3, spec.frames, crop, crop].
    """
    segment = clips.shape[1] / spec.frames
    chosen = clips[:, ((np.arange(spec.frames) + phase) * segment).astype(int)]
    together = transform.prepare(spec, chosen.reshape(-1, *chosen.shape[2:]))
    return together.reshape(3, *chosen.shape[:2], spec.crop, spec.crop).transpose(0, 1)


def both_ways(drawn: motion.Batch) -> motion.Batch:
    """The samples, and after them the same run backwards, each with the class that it then has."""
    return motion.Batch(
        np.concatenate([drawn.frames, drawn.frames[:, ::-1]]),
        np.concatenate([drawn.labels, np.array(motion.OPPOSITE)[drawn.labels]]),
        np.concatenate([drawn.evidence, drawn.evidence[:, ::-1]]),
    )


def middle(frames: Frames, _index: int) -> Frames:
    """The clip's middle frame, repeated."""
    return motion.frozen(frames, len(frames) // 2)


def accuracy(
    network: nn.Module,
    spec: zoo.InputSpec,
    indices: Sequence[int] = HELD_OUT,
    *,
    split: str = "test",
    change: Change | None = None,
) -> float:
    """Top-1 on clips of Motion, in [0, 1].

    Args:
        network: in evaluation mode.
        spec: what it is fed.
        indices: of the clips.
        split: of the clips.
        change: what to do to the clips first, such as `motion.shuffled` and `middle`.
    """
    right = 0
    for start in range(0, len(indices), EVALUATED_AT_ONCE):
        numbers = indices[start : start + EVALUATED_AT_ONCE]
        clips, labels, _ = motion.batch(numbers, split)
        if change is not None:
            clips = np.stack([change(clip, n) for clip, n in zip(clips, numbers, strict=True)])
        with torch.inference_mode():
            answers = network(prepare(spec, clips)).argmax(dim=1).numpy()
        right += int((answers == labels).sum())
    return right / len(indices)


class _Run:
    """A network in training, and its checkpoint."""

    def __init__(self, card: zoo.ModelCard, recipe: Recipe, seed: int, out: Path) -> None:
        self.card, self.recipe, self.seed = card, recipe, seed
        self.checkpoint = out / f"{card.name}.checkpoint"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = zoo.build(card).train()
        self._features = torch.empty(0)
        if recipe.local:
            self.network.get_submodule("avgpool").register_forward_pre_hook(self._keep)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.step = 0
        self.loss = self.wall_s = self.cpu_s = 0.0

    def batches(self) -> Iterator[Batch]:
        """The coming updates, each made while the one before is learnt."""
        size = self.recipe.batch // (2 if self.recipe.backwards else 1)

        def make(step: int) -> Batch:
            indices = range(step * size, (step + 1) * size)
            drawn = motion.batch(indices, "train", self.recipe.unrest(step))
            if self.recipe.backwards:
                drawn = both_ways(drawn)
            phase = float(np.random.default_rng((self.seed, step)).random())
            return Batch(
                prepare(self.card.input, drawn.frames, phase),
                torch.from_numpy(drawn.labels),
                torch.from_numpy(drawn.evidence),
            )

        with ThreadPoolExecutor(1) as maker:
            coming = maker.submit(make, self.step)
            for step in range(self.step + 1, self.recipe.steps + 1):
                now, coming = coming, maker.submit(make, step)
                yield now.result()

    def learn(self, batch: Batch) -> None:
        """One update."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        clips = batch.clips.contiguous(memory_format=torch.channels_last_3d)
        loss = self._loss(self.network(clips), batch.labels)
        objective = loss
        if self.recipe.local:
            objective = loss + self.recipe.local * self._local_loss(self._features, batch)
        self.optimizer.zero_grad()
        torch.autograd.backward(objective)
        self.optimizer.step()
        self.step += 1
        self.loss += (loss.item() - self.loss) * max(0.02, 1 / self.step)

    def _keep(self, _layer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        self._features = inputs[0]

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.recipe.smoothing)

    def _local_loss(self, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Of the places of `features` [N, C, T, H, W] that see the target in its motion."""
        evidence = batch.evidence[:, None].float()
        seen = F.adaptive_max_pool3d(evidence, features.shape[2:])[:, 0] > 0
        logits = self.network.get_submodule("fc")(features.movedim(1, -1)[seen])
        return self._loss(logits, batch.labels.view(-1, 1, 1, 1).expand(seen.shape)[seen])

    def _identity(self) -> dict[str, str | int | float]:
        return {"model": self.card.name, "seed": self.seed, **dataclasses.asdict(self.recipe)}

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "of": self._identity(),
            "progress": {name: getattr(self, name) for name in ("step", "loss", "wall_s", "cpu_s")},
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        unfinished = self.checkpoint.with_suffix(".part")
        torch.save(state, unfinished)
        os.replace(unfinished, self.checkpoint)

    def restore(self) -> None:
        """Go on where the checkpoint was written."""
        state = torch.load(self.checkpoint, weights_only=True)
        if state["of"] != self._identity():
            raise InvalidParameter(
                f"{self.checkpoint} is of another training, {state['of']}. Give another folder, or "
                "begin anew with resume=False.",
                found=state["of"],
                wanted=self._identity(),
            )
        vars(self).update(state["progress"])
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

    def report(self, weights: Path, held_out: Sequence[int]) -> Report:
        """Measure the trained network, whose weights lie in that file."""
        network, spec = self.network.eval(), self.card.input
        return Report(
            weights=weights,
            size=weights.stat().st_size,
            sha256=file_sha256(weights),
            accuracy=accuracy(network, spec, held_out),
            shuffled=accuracy(network, spec, held_out, change=motion.shuffled),
            frozen=accuracy(network, spec, held_out, change=middle),
            wall_s=self.wall_s,
            cpu_s=self.cpu_s,
        )


def train(
    name: str,
    *,
    out: Path,
    seed: int = 0,
    recipe: Recipe | None = None,
    resume: bool = True,
    checkpoint_every: int = 100,
    held_out: Sequence[int] = HELD_OUT,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Train one of the small classifiers and write its weights to `out/NAME.safetensors`.

    Args:
        name: a model of `zoo.motion`.
        out: folder of the weights and of the checkpoint, `NAME.checkpoint`.
        seed: of the network's first weights. The same seed and number of threads give the same
            weights, interrupted or not.
        recipe: how, instead of `RECIPES[name]`.
        resume: whether to go on from the checkpoint, where there is one.
        checkpoint_every: updates between two checkpoints.
        held_out: the test clips to measure the result on.
        progress: called after every update.

    Raises:
        InvalidParameter: the model is not one of these, or the checkpoint is of another training.
    """
    if name not in RECIPES:
        raise InvalidParameter(
            f"{name!r} is not trained on Motion. Give one of {', '.join(RECIPES)}.",
            model=name,
            allowed=list(RECIPES),
        )
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(zoo.card(name), recipe or RECIPES[name], seed, out)
    if resume and run.checkpoint.exists():
        run.restore()
    wall_s, cpu_s = time.perf_counter() - run.wall_s, time.process_time() - run.cpu_s
    for batch in run.batches():
        run.learn(batch)
        run.wall_s, run.cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        if run.step % checkpoint_every == 0 or run.step == run.recipe.steps:
            run.save()
        if progress is not None:
            progress(Progress(run.step, run.recipe.steps, run.loss))
    weights = out / f"{name}.safetensors"
    state = run.network.state_dict()
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, weights)
    return run.report(weights, held_out)
