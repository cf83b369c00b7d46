"""Fits a checkpoint's entries to one of the zoo's networks."""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from videovisual.errors import WeightsError

SHOWN = 5


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file; raises WeightsError where it is damaged."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(
            f"{path.name} is damaged: {error}. Download it or build its archive again.",
            path=str(path),
        ) from error


def strip_prefix(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Remove `prefix` from all keys, unless some don't have it (`DataParallel` adds `module.`)."""
    if not all(key.startswith(prefix) for key in state):
        return dict(state)
    return {key.removeprefix(prefix): tensor for key, tensor in state.items()}


def initialise(network: nn.Module) -> None:
    """Draw the weights of all convolutions (He et al. 2015, https://arxiv.org/abs/1502.01852)."""
    for module in network.modules():
        # On `meta` there is nothing to draw, and drawing it would load PyTorch's compiler.
        if isinstance(module, nn.Conv3d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def fit(network: nn.Module, state: Mapping[str, torch.Tensor]) -> nn.Module:
    """Load the state's tensors into the network.

    Args:
        network: from `zoo.build`. The tensors are copied into it; a network on the device `meta`
            uses the given tensors themselves.
        state: exactly the network's entries.

    Returns:
        The network.

    Raises:
        WeightsError: keys are missing or unknown, or shapes differ; the message names them.
    """
    own = network.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    shapes = {
        key: {"expected": list(own[key].shape), "found": list(tensor.shape)}
        for key, tensor in state.items()
        if key in own and own[key].shape != tensor.shape
    }
    if missing or unexpected or shapes:
        raise WeightsError(
            f"The checkpoint doesn't fit the network. {_misfits(missing, unexpected, shapes)}",
            missing=missing,
            unexpected=unexpected,
            shapes=shapes,
        )
    tensors = {key: tensor.to(own[key].dtype) for key, tensor in state.items()}
    network.load_state_dict(tensors, assign=any(tensor.is_meta for tensor in own.values()))
    return network


def _misfits(
    missing: Collection[str],
    unexpected: Collection[str],
    shapes: Mapping[str, Mapping[str, list[int]]],
) -> str:
    problems = {
        "missing": missing,
        "not known": unexpected,
        "of another shape": [
            f"{key} is {shape['found']} and must be {shape['expected']}"
            for key, shape in shapes.items()
        ],
    }
    facts = [f"{len(keys)} {what}: {some(keys)}" for what, keys in problems.items() if keys]
    advice = "Give a checkpoint of this model in one of its published layouts."
    if not (missing or unexpected):
        advice += (
            " If it was trained on other classes, give their names, one per line: `labels=FILE`, "
            "`--labels FILE`."
        )
    return f"Of its keys {'; '.join(facts)}. {advice}"


def some(names: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(list(names)[:SHOWN])
    return f"{shown}, and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
