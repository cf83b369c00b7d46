"""What is checked of a network of a user's own before it becomes a classifier."""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from videovisual.errors import InvalidParameter
from videovisual.utils.text import shown
from videovisual.zoo.card import InputSpec, check_labels
from videovisual.zoo.layout import check_tensors
from videovisual.zoo.transform import normalise

BLUR = 0.09
"""Largest blur of the perturbation pyramid where none is given, as a share of the shorter side."""

WITHOUT_SOFTMAX = (
    "Leave its last softmax out, or take the logarithm: output=lambda given: given.log()."
)
"""What to do about a network that gives probabilities."""

SUM_ERROR = 1e-4
"""By how much the sum of probabilities may miss 1."""


def checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The class names as a tuple.

    Raises:
        InvalidParameter: they are no list of names, or there is none.
        WeightsError: two are the same, or one is called `top1`.
    """
    names = () if isinstance(labels, str) else tuple(labels)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise InvalidParameter(
            f"labels = {shown(labels)} is no list of class names. Give a name for each logit, in "
            "their order.",
            parameter="labels",
        )
    check_labels(names)
    return names


def copied(module: nn.Module) -> nn.Module:
    """A float32 copy of a network without the wrappers of training, so that the original stays.

    Raises:
        InvalidParameter: it is no module, one of TorchScript, or one that can't be copied.
        WeightsError: weights that are not dense floats.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise InvalidParameter(
            "A TorchScript module has no layers that can be hooked, and PyTorch has deprecated it. "
            "Give the module that it was made of.",
            parameter="module",
        )
    if not isinstance(module, nn.Module):
        raise InvalidParameter(
            f"`module` is a torch.nn.Module, not {type(module).__name__}. A checkpoint's entries "
            "are loaded into a network first: `network.load_state_dict(entries)`.",
            parameter="module",
        )
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while isinstance(module, wrappers) or hasattr(module, "_orig_mod"):
        inner = module.module if isinstance(module, wrappers) else module._orig_mod
        assert isinstance(inner, nn.Module)
        module = inner
    check_tensors(module.state_dict())
    try:
        return copy.deepcopy(module).float()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        reason = shown(str(error).strip().partition("\n")[0], 200)
        raise InvalidParameter(
            f"The module can't be copied: {type(error).__name__}: {reason}. Of an exported "
            "program, give the module that it was made of; or save it by `torch.export.save` and "
            "archive it: `videovisual archive MODEL.pt2 --card card.json --as NAME`.",
            parameter="module",
        ) from error


def noise(spec: InputSpec) -> torch.Tensor:
    """A seeded clip of random pixels in a network's values: float32 [3, T, H, W]."""
    return normalise(spec, torch.rand(spec.shape, generator=torch.Generator().manual_seed(0)))


def check_takes_bytes(spec: InputSpec) -> None:
    """Raises InvalidParameter where a network of `uint8` clips would not be fed 0 to 255."""
    if spec.value_range != (0, 255) or any(spec.mean) or spec.std != (1, 1, 1):
        raise InvalidParameter(
            "A network of dtype='uint8' takes pixels as they are. Give "
            "input=InputSpec(…, value_range=(0, 255)) without `mean` and `std`.",
            parameter="input",
        )


def check_are_logits(
    logits: torch.Tensor, remedy: str = WITHOUT_SOFTMAX, parameter: str = "output"
) -> None:
    """Raises InvalidParameter where one clip's logits [classes] are probabilities already.

    Args:
        logits: of one clip.
        remedy: a sentence that says what to do.
        parameter: the argument that it names.
    """
    if len(logits) > 1 and logits.min() >= 0 and abs(float(logits.sum()) - 1) < SUM_ERROR:
        raise InvalidParameter(
            "The network gives probabilities, which sum to 1, and scores='softmax' takes logits. "
            f"{remedy}",
            parameter=parameter,
        )


def name_of(module: nn.Module) -> str:
    """The model's name where none is given: that of the module's class."""
    return type(module).__name__.lower()
