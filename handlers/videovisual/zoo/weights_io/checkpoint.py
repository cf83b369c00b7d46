"""Reads published checkpoints as tensors by key, without running code that they hold."""

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from videovisual.errors import WeightsError
from videovisual.zoo.layout import is_safetensors, read_safetensors
from videovisual.zoo.parts import chosen
from videovisual.zoo.weights_io.file_kind import describe
from videovisual.zoo.weights_io.numpy_pickle import read_arrays

ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
TORCH_LEGACY = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""The pickled magic number at the start of every checkpoint of PyTorch before 1.6."""
WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net", "module"),
    *("weights", "params", "ema", "ema_state_dict", "state_dict_ema", "model_ema", "shadow"),
)
ADVICE = f"Give a `state_dict()`, or a dictionary with it under one of: {', '.join(WRAPPERS)}."
EXPORT = """\
import torch; held = torch.load({!r}, weights_only=False)
state = held.get("state_dict", held) if isinstance(held, dict) else held.state_dict()
torch.save(state, "weights.pth")"""
"""Python that saves the tensors of a file that holds other objects too."""

MAX_DEPTH = 4
"""The most dictionaries around the tensors."""


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by key, on the CPU.

    The file's first bytes decide the format: safetensors; a PyTorch file, zipped or legacy, read
    with `weights_only`; or a pickle of nested dictionaries of numpy arrays, whose nested keys are
    joined with `/`. Where the tensors lie in an entry such as `state_dict`, only that entry is
    returned; of a network and its moving average, the average.

    Raises:
        WeightsError: the file has another format, which the message names, is damaged, holds
            objects that are not tensors, numbers or text, or holds several networks. No code that
            it holds is run.
    """
    if path.is_dir():
        raise WeightsError(
            f"{path} is a folder. Give the file of the weights that is in it.", path=str(path)
        )
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint {path}. Give a file.", path=str(path))
    with path.open("rb") as file:
        start = file.read(64)
    if is_safetensors(path):
        return read_safetensors(path)
    if start.startswith(ZIP) and (kind := describe(path)):
        raise WeightsError(kind, path=str(path))
    if start.startswith(ZIP) or (start.startswith(PICKLE) and TORCH_LEGACY in start):
        return _tensors(path, _read_torch(path))
    if start.startswith(PICKLE):
        return {key: torch.from_numpy(array) for key, array in read_arrays(path).items()}
    unknown = (
        f"{path.name} is not a checkpoint in a known format. Give a PyTorch file (.pth, .pt, "
        ".pth.tar), a .safetensors file, or a pickle of numpy arrays (.ckpt)."
    )
    raise WeightsError(describe(path) or unknown, path=str(path))


def _read_torch(path: Path) -> Any:
    try:
        # The EPIC-Kitchens checkpoints carry their training's arguments: attributes without code.
        with torch.serialization.safe_globals([argparse.Namespace]), path.open("rb") as file:
            # As an open file: torch takes a path that ends in `.safetensors` for one.
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        culprit = f" ({found[1]})" if found else ""
        raise WeightsError(
            f"{path.name} holds objects other than tensors, numbers and text{culprit}, perhaps a "
            "whole network; it was not run. Save the network's `state_dict()` alone, where its "
            f"code is and if you trust the file:\n{EXPORT.format(path.name)}",
            path=str(path),
        ) from error
    except Exception as error:
        raise WeightsError(
            f"{path.name} looks like a PyTorch file but cannot be read: it is damaged or cut off. "
            "Download it again.",
            path=str(path),
        ) from error


def _unwrap(loaded: Any) -> Any:
    """The dictionary of tensors inside dictionaries.

    Raises:
        WeightsError: there are several with other values, and not one moving average.
    """
    for _ in range(MAX_DEPTH):
        held = {key: loaded[key] for key in WRAPPERS if _holds(loaded, key)}
        if not held:
            break
        loaded = chosen(held)
    return loaded


def _holds(loaded: Any, key: str) -> bool:
    inner = loaded.get(key) if isinstance(loaded, Mapping) else None
    return isinstance(inner, Mapping) and any(
        isinstance(value, torch.Tensor) or name in WRAPPERS for name, value in inner.items()
    )


def _tensors(path: Path, loaded: Any) -> dict[str, torch.Tensor]:
    state = _unwrap(loaded)
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(
            f"{path.name} holds {type(loaded).__name__}, not tensors by key. {ADVICE}",
            path=str(path),
        )
    others = [str(key) for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise WeightsError(
            f"{path.name} has {len(others)} entries that are not tensors, the first being "
            f"{others[0]!r}. {ADVICE}",
            path=str(path),
            entries=others,
        )
    return {str(key): value for key, value in state.items()}
