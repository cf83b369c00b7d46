"""Networks of any interface, called as the engine calls the zoo's own: clips → logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn

from videovisual.errors import InvalidParameter, VideoVisualError
from videovisual.utils.suggest import did_you_mean
from videovisual.utils.text import shown

Layout = Literal["NCTHW", "NTCHW", "NTHWC"]
Output = str | int | Callable[[Any], torch.Tensor]
FrameScores = Literal["mean", "max"] | int
Dtype = Literal["float32", "uint8"]
Pathway = int | tuple[int, ...]

PERMUTATIONS: Mapping[str, tuple[int, ...]] = {
    "NCTHW": (0, 1, 2, 3, 4),
    "NTCHW": (0, 2, 1, 3, 4),
    "NTHWC": (0, 2, 3, 4, 1),
}
"""The axes of clips [N, 3, T, H, W] in the order of each layout."""


@dataclass(frozen=True)
class Interface:
    """How a network takes clips, and where its answer holds the logits.

    Attributes:
        layout: order of the axes: `NCTHW`, `NTCHW` or `NTHWC`.
        argument: name of the argument that takes the clips; None for the first one.
        pathways: for a network that takes a list of clips, the frames that each one has: how many,
            evenly spread from the first to the last, or their numbers.
        output: where the logits are: a key or an attribute, a place in a tuple, or a function of
            the answer; None takes the answer itself, its `logits`, or the only tensor in it.
        frame_scores: of a network that answers for every frame, [N, T, classes]: the `mean` or the
            `max` over the frames, or the number of one frame.
        dtype: of the clips that the network insists on; see `Classifier.from_module`.

    Raises:
        InvalidParameter: a value that is not allowed; the message lists those that are.
    """

    layout: Layout = "NCTHW"
    argument: str | None = None
    pathways: tuple[Pathway, ...] | None = None
    output: Output | None = None
    frame_scores: FrameScores | None = None
    dtype: Dtype = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in get_args(Dtype):
            raise InvalidParameter(
                f"dtype = {shown(self.dtype)} is neither `float32` nor `uint8`.",
                parameter="dtype",
                allowed=list(get_args(Dtype)),
            )
        if self.layout not in PERMUTATIONS:
            allowed = get_args(Layout)
            raise InvalidParameter(
                f"There is no layout {shown(self.layout)!r}."
                f"{did_you_mean(str(self.layout), allowed)} Allowed: {', '.join(allowed)}, of N "
                "clips, C colours, T frames, H rows and W columns.",
                parameter="layout",
                allowed=list(allowed),
            )
        whole = isinstance(self.frame_scores, int) and not isinstance(self.frame_scores, bool)
        if self.frame_scores not in (None, "mean", "max") and not whole:
            raise InvalidParameter(
                f"frame_scores = {shown(self.frame_scores)} is neither `mean`, `max` nor the "
                "number of a frame.",
                parameter="frame_scores",
            )


class AdaptedNetwork(nn.Module):
    """A network behind the engine's interface: float32 [N, 3, T, H, W] → float32 [N, classes].

    Args:
        module: the network.
        interface: how it is called.
        classes: how many labels there are. Of one logit for two labels, the logit is the second
            label's and the first has 0, whose softmax is the sigmoid.

    Raises:
        InvalidParameter: in `forward`, if the answer holds no such logits; the message says what
            was fed, what came, and which argument to change.
    """

    def __init__(self, module: nn.Module, interface: Interface, classes: int) -> None:
        super().__init__()
        self.module = module
        self.interface = interface
        self.classes = classes

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Logits of clips in the model's space."""
        fed = self._fed(clips.clamp(0, 255) if self.interface.dtype == "uint8" else clips)
        argument = self.interface.argument
        answer = self.module(fed) if argument is None else self.module(**{argument: fed})
        logits = self._reduced(self._logits(answer, fed), fed).float()
        if self.classes == 2 and logits.shape[1] == 1:
            return torch.cat([torch.zeros_like(logits), logits], dim=1)
        if logits.shape != (len(clips), self.classes):
            raise self._misfit(
                fed, f"logits of shape {list(logits.shape)} for {self.classes} labels", "labels"
            )
        return logits

    def _fed(self, clips: torch.Tensor) -> Any:
        if self.interface.pathways is None:
            return self._arranged(clips)
        return [
            self._arranged(clips[:, :, _frames(pathway, clips.shape[2], clips.device)])
            for pathway in self.interface.pathways
        ]

    def _arranged(self, clips: torch.Tensor) -> torch.Tensor:
        if self.interface.layout == "NCTHW":
            return clips
        # Networks may take a `view` of their input, as they can of a decoded clip.
        return clips.permute(PERMUTATIONS[self.interface.layout]).contiguous()

    def _logits(self, answer: Any, fed: Any) -> torch.Tensor:
        output = self.interface.output
        found = answer
        if callable(output):
            found = output(answer)
        elif output is not None:
            found = _member(answer, output)
        elif not isinstance(answer, torch.Tensor):
            found = _only_tensor(answer)
        if isinstance(found, torch.Tensor):
            return found
        raise self._misfit(fed, _described(answer), "output")

    def _reduced(self, logits: torch.Tensor, fed: Any) -> torch.Tensor:
        frame = self.interface.frame_scores
        if logits.ndim == 1 and frame is None and self.classes <= 2:
            return logits[:, None]
        if frame is None:
            if logits.ndim != 2:
                raise self._misfit(
                    fed,
                    f"an answer of shape {list(logits.shape)}, not [clips, classes]",
                    "frame_scores" if logits.ndim == 3 else "output",
                )
            return logits
        if logits.ndim == 2 and self.classes == 1:
            logits = logits[..., None]
        if logits.ndim != 3:
            raise self._misfit(
                fed,
                f"an answer of shape {list(logits.shape)}, not [clips, frames, classes]",
                "frame_scores",
            )
        if isinstance(frame, int):
            if not -logits.shape[1] <= frame < logits.shape[1]:
                raise self._misfit(fed, f"an answer for {logits.shape[1]} frames", "frame_scores")
            return logits[:, frame]
        return logits.mean(dim=1) if frame == "mean" else logits.amax(dim=1)

    def _misfit(self, fed: Any, came: str, change: str) -> InvalidParameter:
        return InvalidParameter(
            f"The network was given {_described(fed)} (layout={self.interface.layout!r}), and gave "
            f"{came}. {ADVICE[change]}",
            parameter=change,
            fed=_described(fed),
            came=came,
        )


ADVICE = {
    "labels": "Change `labels`: give one for each logit, in their order.",
    "output": "Change `output`: the key, the place or a function that takes the logits out.",
    "frame_scores": "Change `frame_scores`: `mean`, `max` or the number of a frame.",
}


def first_pass(network: AdaptedNetwork, clip: torch.Tensor) -> torch.Tensor:
    """The logits of a first clip, which checks the network's description.

    Args:
        network: to be checked.
        clip: float32 [3, T, H, W].

    Raises:
        InvalidParameter: the network fails, or answers otherwise than described; the message says
            what it was given, what came, and which argument to change.
        ScoresError: a function that gives the scores fails.
    """
    with torch.inference_mode():
        try:
            logits: torch.Tensor = network(clip[None])
            pair: torch.Tensor = network(torch.stack([clip, clip]))
        except VideoVisualError:
            raise
        except Exception as error:
            fed = _described(network._fed(clip[None]))
            reason = str(error).strip().partition("\n")[0]
            raise InvalidParameter(
                f"The network was given {fed} (layout={network.interface.layout!r}), and failed: "
                f"{type(error).__name__}: {shown(reason, 300)}. Change `input` (frames, size) or "
                "`layout`, or give the name of the network's argument by `argument`.",
                parameter="input",
                fed=fed,
            ) from error
    if len(pair) != 2 or not torch.allclose(pair[0], logits[0], rtol=1e-3, atol=1e-3):
        raise InvalidParameter(
            "The network answers otherwise for one clip than for the same clip beside another. "
            "Clips are run together, so it must treat each by itself: is it in evaluation mode, "
            "without batch statistics?",
            parameter="module",
        )
    return logits[0]


def _frames(pathway: Pathway, count: int, device: torch.device) -> torch.Tensor:
    if isinstance(pathway, int):
        return torch.linspace(0, count - 1, pathway, device=device).long()
    return torch.tensor(pathway, device=device)


def _member(answer: Any, name: str | int) -> Any:
    if isinstance(answer, torch.Tensor):
        return None
    try:
        return answer[name]
    except (KeyError, IndexError, TypeError):
        return getattr(answer, str(name), None)


def _only_tensor(answer: Any) -> Any:
    """The `logits` of an answer, or its only tensor, else None."""
    logits = _member(answer, "logits")
    if isinstance(logits, torch.Tensor):
        return logits
    values: Sequence[Any] = ()
    if isinstance(answer, Mapping):
        values = list(answer.values())
    elif isinstance(answer, list | tuple):
        values = answer
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    return tensors[0] if len(tensors) == 1 else None


def _described(value: Any) -> str:
    """Types and shapes, for a message."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, Mapping):
        members = ", ".join(f"{key!r}: {_described(item)}" for key, item in value.items())
        return f"{type(value).__name__} {{{members}}}"[:300]
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} [{', '.join(map(_described, value))}]"[:300]
    return f"a {type(value).__name__}"
