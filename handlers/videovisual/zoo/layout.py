"""From the entries of a published checkpoint to those of one of our networks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NoReturn

import torch
from torch import nn

from videovisual.errors import WeightsError

SHOWN = 5


def strip_prefix(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The state without `prefix` (`module.`, of `DataParallel`) where every key begins with it."""
    if not state or not all(key.startswith(prefix) for key in state):
        return dict(state)
    return {key.removeprefix(prefix): tensor for key, tensor in state.items()}


def initialise(network: nn.Module) -> None:
    """Draw all convolutions' weights as He et al. do (2015, https://arxiv.org/abs/1502.01852)."""
    for module in network.modules():
        # On `meta` there is nothing to draw, and drawing it would load PyTorch's compiler.
        if isinstance(module, nn.Conv3d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def fit(network: nn.Module, state: Mapping[str, torch.Tensor]) -> nn.Module:
    """Give the network the state's tensors.

    Args:
        network: as `zoo.build` made it. Tensors are copied into it; one that was built on the
            device `meta` takes them over as they are.
        state: exactly the network's entries.

    Returns:
        The network.

    Raises:
        WeightsError: keys are missing or left over, or a shape is another; the message names them.
    """
    own = network.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    shapes = {
        key: (list(own[key].shape), list(tensor.shape))
        for key, tensor in state.items()
        if key in own and own[key].shape != tensor.shape
    }
    if missing or unexpected or shapes:
        _refuse(missing, unexpected, shapes)
    tensors = {key: tensor.to(own[key].dtype) for key, tensor in state.items()}
    network.load_state_dict(tensors, assign=any(tensor.is_meta for tensor in own.values()))
    return network


def _refuse(
    missing: Collection[str],
    unexpected: Collection[str],
    shapes: Mapping[str, tuple[list[int], list[int]]],
) -> NoReturn:
    facts = []
    if missing:
        facts.append(f"{_count(missing, 'key')} missing: {some(missing)}")
    if unexpected:
        facts.append(f"{_count(unexpected, 'key')} not known: {some(unexpected)}")
    if shapes:
        differing = [
            f"{key} is {found} and must be {wanted}" for key, (wanted, found) in shapes.items()
        ]
        facts.append(f"{_count(shapes, 'shape')} differing: {some(differing)}")
    advice = "Give the checkpoint of this very model, in a layout in which it is published."
    if not (missing or unexpected):
        advice += (
            " Where it was trained on classes of its own, give just their names, one a line: "
            "`labels=FILE`, `--labels FILE`."
        )
    raise WeightsError(
        f"The checkpoint doesn't fit the network. {'; '.join(facts)}. {advice}",
        missing=list(missing),
        unexpected=list(unexpected),
        shapes={key: {"expected": want, "found": found} for key, (want, found) in shapes.items()},
    )


def some(names: Collection[str]) -> str:
    """The first few of the names, and how many more there are."""
    shown = ", ".join(list(names)[:SHOWN])
    return f"{shown}, and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _count(items: Collection[str], noun: str) -> str:
    return f"{len(items)} {noun}" if len(items) == 1 else f"{len(items)} {noun}s"
