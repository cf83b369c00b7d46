"""Classifiers that are known by their scores alone: a function of clips, without gradients."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from videovisual.errors import InvalidParameter, ScoresError, VideoVisualError, WeightsError
from videovisual.utils.text import shown
from videovisual.zoo import own_module
from videovisual.zoo.adapter import AdaptedNetwork, Interface, first_pass
from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard

Function = Callable[[npt.NDArray[np.float32]], Any]
"""Clips float32 [N, …] → scores [N, classes], an array or a tensor, or an answer that has them."""

LEAST = float(torch.finfo(torch.float32).eps)
"""The least probability whose logarithm is taken: smaller ones have been rounded to 0 by many."""

TOLERANCE = 1e-4
"""By how much a probability may be below 0 or above 1."""


class ScoreFunction(nn.Module):
    """A function of arrays as a module. One thread at a time calls it, and copies share it.

    Args:
        function: what gives the scores.
    """

    def __init__(self, function: Function) -> None:
        super().__init__()
        self._function = function
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> "ScoreFunction":
        return self

    def forward(self, clips: torch.Tensor) -> Any:
        """The function's answer, its arrays as tensors.

        Args:
            clips: float32 [N, …]; the function gets a copy.

        Raises:
            ScoresError: the function failed.
        """
        given = np.array(clips.cpu().numpy(), order="C")
        with self._lock:
            try:
                return _as_tensors(self._function(given), clips.device)
            except VideoVisualError:
                raise
            except Exception as error:
                reason = str(error).strip().partition("\n")[0]
                fed = f"{given.dtype} {list(given.shape)}"
                raise ScoresError(
                    f"The function that gives the scores was given {fed}, and failed: "
                    f"{type(error).__name__}: {shown(reason, 300)}.",
                    fed=fed,
                ) from error


class ScoresNetwork(AdaptedNetwork):
    """A function that gives scores behind the engine's interface.

    Args:
        function: what gives the scores.
        interface: how it is called.
        classes: how many labels there are.
        logs: which logarithm of its probabilities is the logit: `probability` or `odds`; None for
            a function that gives logits.
        batch: how many clips it is best given at once.
    """

    differentiable = False
    """The engine asks it for scores only."""

    def __init__(
        self,
        function: Function,
        interface: Interface,
        classes: int,
        logs: Literal["probability", "odds"] | None = None,
        batch: int = 1,
    ) -> None:
        super().__init__(ScoreFunction(function), interface, classes)
        self.function = function
        self.logs = logs
        self.batch = batch

    @property
    def runtime(self) -> Mapping[str, str]:
        """The library that computes the scores, if it is known, and its version."""
        return getattr(self.function, "runtime", {})

    def _logits(self, answer: Any, fed: Any) -> torch.Tensor:
        found = super()._logits(answer, fed).float()
        if self.logs is None:
            return found
        if found.min() < -TOLERANCE or found.max() > 1 + TOLERANCE:
            raise InvalidParameter(
                f"The function gives values from {float(found.min()):.4g} to "
                f"{float(found.max()):.4g}, which are no probabilities. Leave `probabilities` out.",
                parameter="probabilities",
            )
        if self.logs == "probability" and found.shape[-1] > 1:
            return found.clamp(LEAST, 1).log()
        return found.clamp(LEAST, 1 - LEAST).logit()


def described(
    function: Function,
    labels: Sequence[str],
    spec: InputSpec,
    interface: Interface,
    scores: Literal["softmax", "sigmoid", "raw"],
    *,
    probabilities: bool,
    name: str | None,
    weights: WeightsCard,
    family: str = "scores",
    batch: int = 1,
) -> tuple[ModelCard, ScoresNetwork]:
    """A function's card and network, checked by a first pass.

    Args:
        function: what gives the scores.
        labels: the classes' names.
        spec: the clips that it takes.
        interface: how it is called.
        scores: what its scores mean, once they are logits.
        probabilities: whether it gives probabilities.
        name: of the model; the function's unless given.
        weights: where the scores come from.
        family: of the card.
        batch: how many clips it is best given at once.

    Raises:
        InvalidParameter: the function answers otherwise than described.
        ScoresError: the function fails.
        WeightsError: two labels are the same.
    """
    if not callable(function) or isinstance(function, nn.Module):
        raise InvalidParameter(
            f"`function` takes an array of clips and gives scores; it is no "
            f"{type(function).__name__}. A torch.nn.Module has more to show: "
            "`Classifier.from_module`.",
            parameter="function",
        )
    if probabilities and scores == "raw":
        raise InvalidParameter(
            "Raw scores are no probabilities. Give scores='softmax' for classes of which one "
            "holds, scores='sigmoid' for labels that don't exclude one another.",
            parameter="probabilities",
        )
    names = own_module.checked_labels(labels)
    logs = _logs(scores) if probabilities else None
    network = ScoresNetwork(function, interface, len(names), logs, batch)
    logits = first_pass(network, own_module.noise(spec))
    if scores == "softmax" and not probabilities:
        own_module.check_are_logits(logits, "Say so: probabilities=True.", "probabilities")
    own = name or name_of(function)
    card = ModelCard(
        name=own,
        family=family,
        title=f"{own}, known by its scores",
        labels=names,
        input=spec,
        cam_layer="",
        blur_sigma=own_module.BLUR * min(spec.height, spec.width),
        weights=weights,
        accuracy="not known: own model",
        options=options_of(interface, probabilities=probabilities),
        scores=scores,
    )
    return card, network


def options_of(interface: Interface, *, probabilities: bool) -> dict[str, Any]:
    """How scores are read, as a card's `options`, from which `rebuilt` makes the network again."""
    names = ("layout", "output", "frame_scores")
    return {name: getattr(interface, name) for name in names} | {"probabilities": probabilities}


def rebuilt(card: ModelCard, function: Function) -> ScoresNetwork:
    """The network of a card with the `options` of `options_of`, without a pass.

    Raises:
        WeightsError: the card holds none, or others.
    """
    try:
        given = dict(card.options)
        logs = _logs(card.scores) if given.pop("probabilities") else None
        return ScoresNetwork(function, Interface(**given), len(card.labels), logs)
    except (KeyError, TypeError, InvalidParameter) as error:
        raise WeightsError(
            f"The card of {card.name} doesn't say how its scores are read: {shown(error)}. Build "
            "the archive again."
        ) from error


def _logs(scores: str) -> Literal["probability", "odds"]:
    return "odds" if scores == "sigmoid" else "probability"


def name_of(function: object) -> str:
    """The model's name where none is given: the function's, or `scores` if it has none."""
    name = str(getattr(function, "__name__", type(function).__name__)).lower()
    return name if name.isidentifier() else "scores"


def _as_tensors(answer: Any, device: torch.device) -> Any:
    """The answer with tensors on `device` in place of its arrays, and of a list of numbers."""
    if isinstance(answer, torch.Tensor):
        return answer.detach().to(device)
    if isinstance(answer, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(answer, np.float32)).to(device)
    if isinstance(answer, Mapping):
        return {key: _as_tensors(value, device) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        try:
            return _as_tensors(np.array(answer, np.float32), device)
        except (TypeError, ValueError):
            return [_as_tensors(value, device) for value in answer]
    return answer
