"""Fits a checkpoint's entries to one of the zoo's networks."""

import hashlib
import itertools
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from videovisual.errors import WeightsError

SHOWN = 5

Weights = str | os.PathLike[str] | Mapping[str, torch.Tensor]
"""A checkpoint's file, or its entries."""

Labels = str | os.PathLike[str] | Sequence[str]
"""Class names in the order of the logits, or their file or address."""

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""The dtypes of weights that are read."""

ALIGNMENT = 64
"""Bytes of which the address of each tensor that torch allocates is a multiple."""

SAFETENSORS = b"\0\0\0\0{"
"""Bytes 4 to 8: the end of the header's length (eight bytes), and the start of the JSON header."""


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, whatever its name."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(9)[4:] == SAFETENSORS


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
    if not state or not all(key.startswith(prefix) for key in state):
        return dict(state)
    return {key.removeprefix(prefix): tensor for key, tensor in state.items()}


PREFIXES = ("module.", "model.", "_orig_mod.", "backbone.", "network.", "net.")
"""Prefixes of all keys, from `DataParallel`, Lightning, `torch.compile` and the like."""

UNUSED = ("n_averaged", "total_ops", "total_params")
"""Last parts of keys that `AveragedModel` and profilers add to the network's own."""


def used(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The entries without those that no network uses."""
    return {key: tensor for key, tensor in state.items() if key.rpartition(".")[2] not in UNUSED}


def unwrapped(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The entries without those that no network uses, and without prefixes that all keys have."""
    own = used(state)
    shared = True
    while shared:
        before = set(own)
        for prefix in PREFIXES:
            own = strip_prefix(own, prefix)
        shared = set(own) != before
    return own


def check_tensors(state: Mapping[str, torch.Tensor]) -> None:
    """Raises WeightsError where an entry is not a dense tensor of real numbers; names it."""
    strange = {key: kind for key, tensor in state.items() if (kind := _strange(tensor))}
    if strange:
        shown = some([f"{key} is {kind}" for key, kind in strange.items()])
        raise WeightsError(
            f"The checkpoint has entries that are no weights of this network: {shown}. Give dense "
            "float32, float16, bfloat16 or float64 weights, from before any quantisation.",
            entries=strange,
        )


def _strange(tensor: object) -> str | None:
    """What makes a tensor unfit as weights, if anything."""
    if not isinstance(tensor, torch.Tensor):
        return f"a {type(tensor).__name__}"
    if tensor.is_quantized:
        return f"quantised ({_name(tensor.dtype)})"
    if tensor.is_nested or tensor.layout != torch.strided:
        return f"sparse or nested ({_name(tensor.layout)})"
    if tensor.is_meta:
        return "on `meta`, without values"
    if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype not in FLOATS):
        return _name(tensor.dtype)
    return None


def _name(kind: torch.dtype | torch.layout) -> str:
    return str(kind).removeprefix("torch.")


def initialise(network: nn.Module) -> None:
    """Draw the weights of all convolutions (He et al. 2015, https://arxiv.org/abs/1502.01852)."""
    for module in network.modules():
        # On `meta` there is nothing to draw, and drawing it would load PyTorch's compiler.
        if isinstance(module, nn.Conv3d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def align(network: nn.Module) -> nn.Module:
    """The network, each of its tensors at an address that torch itself would choose.

    The tensors of a mapped file begin anywhere. Kernels then add in another order, so one network
    would give other last bits from an archive than from its checkpoint.
    """
    for tensor in itertools.chain(network.parameters(), network.buffers()):
        dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if dense and tensor.data_ptr() % ALIGNMENT:
            tensor.data = tensor.data.clone()
    return network


def fit(network: nn.Module, state: Mapping[str, torch.Tensor]) -> nn.Module:
    """Load the state's tensors into the network.

    Args:
        network: from `zoo.build`. The tensors are copied into it; a network on the device `meta`
            uses the given tensors themselves.
        state: exactly the network's entries. Batch norm's counters, which only training uses, may
            be missing.

    Returns:
        The network.

    Raises:
        WeightsError: keys are missing or unknown, shapes differ, or values are integers, NaN or
            infinite; the message names them.
    """
    own = network.state_dict()
    counters = [key for key in own if key.endswith("num_batches_tracked")]
    state = {**{key: torch.tensor(0) for key in counters}, **state}
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    shapes = {
        key: {"expected": list(own[key].shape), "found": list(tensor.shape)}
        for key, tensor in state.items()
        if key in own and own[key].shape != tensor.shape
    }
    if missing or unexpected or shapes:
        raise misfit(missing, unexpected, shapes)
    check_floats({key: state[key] for key in state if own[key].is_floating_point()})
    tensors = {key: tensor.to(own[key].dtype) for key, tensor in state.items()}
    check_finite(tensors)
    network.load_state_dict(tensors, assign=any(tensor.is_meta for tensor in own.values()))
    return network


def check_floats(state: Mapping[str, torch.Tensor]) -> None:
    """Raises WeightsError where a network's weights are not dense floats; names them."""
    check_tensors(state)
    integers = {
        key: _name(tensor.dtype) for key, tensor in state.items() if not tensor.is_floating_point()
    }
    if integers:
        shown = some([f"{key} is {kind}" for key, kind in integers.items()])
        raise WeightsError(
            f"The checkpoint has integers where weights belong: {shown}. It was probably "
            "quantised. Give the floating-point weights from before.",
            entries=integers,
        )


def check_finite(state: Mapping[str, torch.Tensor]) -> None:
    """Raises WeightsError where weights are NaN or infinite; names them."""
    counts = {key: int((~tensor.isfinite()).sum()) for key, tensor in state.items()}
    broken = {key: count for key, count in counts.items() if count}
    if broken:
        shown = some([f"{key} ({n} of {state[key].numel()} values)" for key, n in broken.items()])
        raise WeightsError(
            f"The weights are NaN or infinite, in float32: {shown}. The training diverged, or the "
            "file is damaged. Give an earlier checkpoint.",
            not_finite=broken,
        )


def narrow_dtype(state: Mapping[str, torch.Tensor]) -> str | None:
    """The 16-bit dtype in which some of the weights are stored, if any."""
    narrow = {tensor.dtype for tensor in state.values()} & {torch.float16, torch.bfloat16}
    return " and ".join(sorted(map(_name, narrow))) or None


def misfit(
    missing: Collection[str],
    unexpected: Collection[str],
    shapes: Mapping[str, Mapping[str, list[int]]],
) -> WeightsError:
    """The error of a checkpoint whose entries are not those of the network.

    Args:
        missing: entries of the network that the checkpoint doesn't have.
        unexpected: entries that the network doesn't have.
        shapes: by entry, the shape `expected` and the one `found`.
    """
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
    if any(key.startswith(("cls_head.", "backbone.")) for key in unexpected):
        advice += (
            " Keys of `backbone.` and `cls_head.` are those of OpenMMLab's networks, whose layers "
            "differ: rename them to this network's first."
        )
    if not (missing or unexpected):
        advice += (
            " If it was trained on other classes, give their names, one per line: `labels=FILE`, "
            "`--labels FILE`; a network of your own is built with as many outputs."
        )
    return WeightsError(
        f"The checkpoint doesn't fit the network. Of its keys {'; '.join(facts)}. {advice}",
        missing=list(missing),
        unexpected=list(unexpected),
        shapes=dict(shapes),
    )


def some(names: Collection[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(list(names)[:SHOWN])
    return f"{shown}, and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of tensors as a safetensors file holds them, in hexadecimal."""
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return hashlib.sha256(save(own)).hexdigest()
