"""Reads published checkpoints as tensors by key, without running code that they hold."""

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from videovisual.errors import WeightsError
from videovisual.zoo.layout import read_safetensors
from videovisual.zoo.weights_io.numpy_pickle import read_arrays

ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
SAFETENSORS = b"\0\0\0\0{"
"""Bytes 4 to 8: the end of the header's length (eight bytes), and the start of the JSON header."""
TORCH_LEGACY = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""The pickled magic number at the start of every checkpoint of PyTorch before 1.6."""
WRAPPERS = ("state_dict", "model_state_dict", "model")
ADVICE = f"Give a `state_dict()`, or a dictionary with it under one of: {', '.join(WRAPPERS)}."


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by key, on the CPU.

    The file's first bytes decide the format: safetensors; a PyTorch file, zipped or legacy, read
    with `weights_only`; or a pickle of nested dictionaries of numpy arrays, whose nested keys are
    joined with `/`. Where the tensors lie in an entry such as `state_dict`, only that entry is
    returned.

    Raises:
        WeightsError: the file has another format, is damaged, or holds objects that are not
            tensors, numbers or text. No code that it holds is run.
    """
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint {path}. Give a file.", path=str(path))
    with path.open("rb") as file:
        start = file.read(64)
    if start[4:9] == SAFETENSORS:
        return read_safetensors(path)
    if start.startswith(ZIP) or (start.startswith(PICKLE) and TORCH_LEGACY in start):
        return _tensors(path, _read_torch(path))
    if start.startswith(PICKLE):
        return {key: torch.from_numpy(array) for key, array in read_arrays(path).items()}
    raise WeightsError(
        f"{path.name} is not a checkpoint in a known format. Give a PyTorch file (.pth, .pt, "
        ".pth.tar), a .safetensors file, or a pickle of numpy arrays (.ckpt).",
        path=str(path),
    )


def _read_torch(path: Path) -> Any:
    try:
        # The EPIC-Kitchens checkpoints carry their training's arguments: attributes without code.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        culprit = f" ({found[1]})" if found else ""
        raise WeightsError(
            f"{path.name} holds objects other than tensors, numbers and text{culprit}; it was not "
            "run. Save the network's `state_dict()` alone, best as safetensors, and give that.",
            path=str(path),
        ) from error
    except Exception as error:
        raise WeightsError(
            f"{path.name} looks like a PyTorch file but cannot be read: it is damaged or cut off. "
            "Download it again.",
            path=str(path),
        ) from error


def _tensors(path: Path, loaded: Any) -> dict[str, torch.Tensor]:
    state = loaded
    if isinstance(loaded, Mapping):
        wrapped = [loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping)]
        state = wrapped[0] if wrapped else loaded
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
