"""Published checkpoints → tensors by key, without running anything that they hold."""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from videovisual.errors import WeightsError
from videovisual.zoo.weights_io.numpy_pickle import read_arrays

ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
SAFETENSORS = b"\0\0\0\0{"
"""From the fifth byte on: the end of a length of eight bytes, and the beginning of JSON."""
TORCH_LEGACY = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""The magic number that begins every checkpoint of PyTorch before 1.6, as a pickle spells it."""
WRAPPERS = ("state_dict", "model_state_dict", "model")


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by key, on the CPU.

    The file's first bytes decide how it is read: safetensors; a PyTorch file of either format,
    with `weights_only`; or a pickle of nested dictionaries of numpy arrays, whose keys are joined
    with `/`. Of a file that holds more than its tensors the entry `state_dict` is taken.

    Raises:
        WeightsError: the file is none of these, is damaged, or holds something that is neither
            tensor, number nor text. What it holds is never run.
    """
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint {path}. Give a file.", path=str(path))
    with path.open("rb") as file:
        start = file.read(64)
    if start[4:9] == SAFETENSORS:
        return _read_safetensors(path)
    if start.startswith(ZIP) or (start.startswith(PICKLE) and TORCH_LEGACY in start):
        return _tensors(path, _read_torch(path))
    if start.startswith(PICKLE):
        return {key: torch.from_numpy(array) for key, array in read_arrays(path).items()}
    raise WeightsError(
        f"{path.name} is no checkpoint that can be read: give a PyTorch file (.pth, .pt, "
        ".pth.tar), a .safetensors file, or a pickle of numpy arrays (.ckpt).",
        path=str(path),
    )


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path.name} is damaged: {error}.", path=str(path)) from error


def _read_torch(path: Path) -> Any:
    # The EPIC-Kitchens checkpoints carry their training's arguments: plain attributes, no code.
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        _refuse(path, error)
    except Exception as error:
        raise WeightsError(
            f"{path.name} looks like a PyTorch file but cannot be read: it is damaged or cut off. "
            "Download it again.",
            path=str(path),
        ) from error


def _refuse(path: Path, error: pickle.UnpicklingError) -> NoReturn:
    named = re.search(r"GLOBAL (\S+)", str(error))
    culprit = f" ({named[1]})" if named else ""
    raise WeightsError(
        f"{path.name} holds something other than tensors, numbers and text{culprit}; it was not "
        "run. Save the network's `state_dict()` alone, best as safetensors, and give that.",
        path=str(path),
    ) from error


def _tensors(path: Path, loaded: Any) -> dict[str, torch.Tensor]:
    state = loaded
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            state = loaded[wrapper]
            break
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(
            f"{path.name} holds {type(loaded).__name__}, not tensors by key. Give a "
            f"`state_dict()`, or a dictionary with it under one of: {', '.join(WRAPPERS)}.",
            path=str(path),
        )
    strange = [str(key) for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise WeightsError(
            f"{path.name} has {len(strange)} entries that are not tensors, the first being "
            f"{strange[0]!r}. Give a `state_dict()`, or a dictionary with it under one of: "
            f"{', '.join(WRAPPERS)}.",
            path=str(path),
            entries=strange,
        )
    return {str(key): value for key, value in state.items()}
