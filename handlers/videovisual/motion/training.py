"""Seeded and resumable training of the small classifiers on Motion, minutes on two cores.

    videovisual train-motion r3d-motion

A network that is trained on Motion alone learns nothing, because the order of one object's jumps
is the only clue. The training is therefore a curriculum: the other objects stand still at first,
and jump further and further as the training proceeds.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from videovisual import motion, zoo
from videovisual.errors import InvalidParameter
from videovisual.motion.plain_attention import PlainAttention
from videovisual.motion.recipes import RECIPES, Recipe
from videovisual.utils.digest import file_sha256
from videovisual.utils.files import check_writable, whole_file
from videovisual.zoo import transform

Frames = npt.NDArray[np.uint8]
Change = Callable[[Frames, int], Frames]
"""Maps a clip's frames [T, H, W, 3] and its index to the frames to classify instead."""

HELD_OUT = range(500)
"""Indices of the test clips that measure a trained network."""

EVALUATION_BATCH = 25


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""The network's input float32 [N, 3, T, H, W], labels int64 [N], and evidence bool
[N, T', H', W'] at the size of the source clips."""


@dataclass(frozen=True)
class Progress:
    """Progress of a training: updates done, their total, and the running mean of the loss."""

    step: int
    of: int
    loss: float


@dataclass(frozen=True)
class Report:
    """Result of a training.

    Attributes:
        weights: path of the safetensors file.
        size, sha256: of that file, for the card.
        accuracy: top-1 on held-out clips, in [0, 1].
        shuffled, frozen: top-1 on the clips with shuffled frames, and with the middle frame only.
        wall_s, cpu_s: wall and CPU time of the updates, in seconds.
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
    """Transform clips into a network's input.

    Args:
        spec: the network's input.
        clips: uint8 [N, T, H, W, 3].
        phase: in [0, 1), the position of the sampled frame in each of the `spec.frames` equal
            segments of a clip; 0.5 is the middle, as in serving.

    Returns:
        float32 [N, 3, spec.frames, crop, crop].
    """
    segment = clips.shape[1] / spec.frames
    chosen = clips[:, ((np.arange(spec.frames) + phase) * segment).astype(int)]
    together = transform.prepare(spec, chosen.reshape(-1, *chosen.shape[2:]))
    return together.reshape(3, *chosen.shape[:2], spec.height, spec.width).transpose(0, 1)


def both_ways(drawn: motion.Batch) -> motion.Batch:
    """The samples, followed by the same samples played backwards with their opposite class."""
    return motion.Batch(
        np.concatenate([drawn.frames, drawn.frames[:, ::-1]]),
        np.concatenate([drawn.labels, np.array(motion.OPPOSITE)[drawn.labels]]),
        np.concatenate([drawn.evidence, drawn.evidence[:, ::-1]]),
    )


def middle(frames: Frames, _index: int) -> Frames:
    """The middle frame, repeated."""
    return motion.frozen(frames, len(frames) // 2)


def accuracy(
    network: nn.Module,
    spec: zoo.InputSpec,
    indices: Sequence[int] = HELD_OUT,
    *,
    split: str = "test",
    change: Change | None = None,
) -> float:
    """Top-1 accuracy on clips of Motion, in [0, 1].

    Args:
        network: in evaluation mode.
        spec: the network's input.
        indices: of the clips.
        split: of the clips.
        change: applied to each clip first, such as `motion.shuffled` or `middle`.
    """
    correct = 0
    for start in range(0, len(indices), EVALUATION_BATCH):
        numbers = indices[start : start + EVALUATION_BATCH]
        clips, labels, _ = motion.batch(numbers, split)
        if change is not None:
            clips = np.stack([change(clip, n) for clip, n in zip(clips, numbers, strict=True)])
        with torch.inference_mode():
            predicted = network(prepare(spec, clips)).argmax(dim=1).numpy()
        correct += int((predicted == labels).sum())
    return correct / len(indices)


class _Training:
    """A network in training, with its checkpoint."""

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
        """The remaining batches, each made in a thread during the update before."""
        size = self.recipe.batch // (2 if self.recipe.backwards else 1)

        def make(step: int) -> Batch:
            indices = range(step * size, (step + 1) * size)
            drawn = motion.batch(indices, "train", self.recipe.unrest(step))
            if self.recipe.backwards:
                drawn = both_ways(drawn)
            phase = float(np.random.default_rng((self.seed, step)).random())
            clips = prepare(self.card.input, drawn.frames, phase)
            return clips, torch.from_numpy(drawn.labels), torch.from_numpy(drawn.evidence)

        with ThreadPoolExecutor(1) as maker:
            following = maker.submit(make, self.step)
            for step in range(self.step + 1, self.recipe.steps + 1):
                current, following = following, maker.submit(make, step)
                yield current.result()

    def update(self, batch: Batch) -> None:
        """Update the network with one batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        clips, labels, evidence = batch
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
        with self._precision():
            loss = total = self._loss(self.network(clips), labels)
            if self.recipe.local:
                total = loss + self.recipe.local * self._local_loss(labels, evidence)
        self.optimizer.zero_grad()
        torch.autograd.backward(total)
        if self.recipe.max_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.max_norm)
        self.optimizer.step()
        self.step += 1
        self.loss += (loss.item() - self.loss) * max(0.02, 1 / self.step)

    def _precision(self) -> AbstractContextManager[object]:
        contexts = ExitStack()
        if self.recipe.bfloat16:
            contexts.enter_context(torch.autocast("cpu", torch.bfloat16))
            contexts.enter_context(PlainAttention())
        return contexts

    def run(self, checkpoint_every: int, progress: Callable[[Progress], None]) -> None:
        """Do the remaining updates."""
        wall_s, cpu_s = time.perf_counter() - self.wall_s, time.process_time() - self.cpu_s
        for batch in self.batches():
            self.update(batch)
            self.wall_s, self.cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
            if self.step % checkpoint_every == 0 or self.step == self.recipe.steps:
                self.save()
            progress(Progress(self.step, self.recipe.steps, self.loss))

    def _keep(self, _layer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        self._features = inputs[0]

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.recipe.smoothing)

    def _local_loss(self, labels: torch.Tensor, evidence: torch.Tensor) -> torch.Tensor:
        """The loss at the cells of the features [N, C, T, H, W] that show the evidence."""
        size = self._features.shape[2:]
        seen = F.adaptive_max_pool3d(evidence[:, None].float(), size)[:, 0] > 0
        logits = self.network.get_submodule("fc")(self._features.movedim(1, -1)[seen])
        return self._loss(logits, labels.view(-1, 1, 1, 1).expand(seen.shape)[seen])

    def _identity(self) -> dict[str, str | int | float]:
        return {"model": self.card.name, "seed": self.seed, **dataclasses.asdict(self.recipe)}

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "of": self._identity(),
            "progress": {name: getattr(self, name) for name in ("step", "loss", "wall_s", "cpu_s")},
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with whole_file(self.checkpoint) as draft:
            torch.save(state, draft)

    def restore(self) -> None:
        """Resume from the checkpoint."""
        state = torch.load(self.checkpoint, weights_only=True)
        if state["of"] != self._identity():
            raise InvalidParameter(
                f"{self.checkpoint} belongs to another training, {state['of']}. Give another "
                "folder, or start again with resume=False.",
                found=state["of"],
                wanted=self._identity(),
            )
        vars(self).update(state["progress"])
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

    def report(self, weights: Path, held_out: Sequence[int]) -> Report:
        """Measure the trained network, whose weights are in the file `weights`."""
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
    """Train a small classifier and write its weights to `out/NAME.safetensors`.

    Args:
        name: a model of `zoo.motion`.
        out: folder of the weights and of the checkpoint `NAME.checkpoint`.
        seed: of the initial weights. The same seed and number of threads give the same weights,
            whether the training was interrupted or not.
        recipe: hyperparameters, `RECIPES[name]` unless given.
        resume: whether to resume from the checkpoint, if there is one.
        checkpoint_every: number of updates between two checkpoints.
        held_out: indices of the test clips that measure the result.
        progress: called after every update.

    Raises:
        InvalidParameter: the model has no recipe, or the checkpoint belongs to another training.
        WriteError: the folder can't be written; checked before the training.
    """
    if name not in RECIPES:
        raise InvalidParameter(
            f"{name!r} is not trained on Motion. Give one of {', '.join(RECIPES)}.",
            model=name,
            allowed=list(RECIPES),
        )
    check_writable(out / f"{name}.safetensors")
    training = _Training(zoo.card(name), recipe or RECIPES[name], seed, out)
    if resume and training.checkpoint.exists():
        training.restore()
    training.run(checkpoint_every, progress or (lambda _progress: None))
    weights = out / f"{name}.safetensors"
    state = training.network.state_dict()
    with whole_file(weights) as draft:
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, draft)
    return training.report(weights, held_out)
