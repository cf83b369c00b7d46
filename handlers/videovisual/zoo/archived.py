"""Archives of a model store: their cards, and the classifiers in them."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from videovisual.errors import WeightsError
from videovisual.names import default_store, own_models
from videovisual.zoo.card import ModelCard
from videovisual.zoo.onnx_model import MAX_BYTES

WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "card.json"
BUILD_FILE = "build.json"
PROGRAM_FILE = "program.json"
ONNX_FILE = "model.onnx"

MAX_PROGRAM = 64 << 20
"""The most bytes of a program's JSON; those of large transformers have two million."""


@dataclass(frozen=True)
class Archive:
    """What an archive says of itself.

    Attributes:
        card: the model's card.
        source_sha256: SHA-256 of the checkpoint that its weights were read from.
        fingerprint: SHA-256 of all that determined its content.
    """

    card: ModelCard
    source_sha256: str
    fingerprint: str

    @classmethod
    def from_json(cls, card: Mapping[str, Any], build: Mapping[str, Any]) -> "Archive":
        """The archive of a parsed `card.json` and `build.json`."""
        return cls(ModelCard.from_json(card), build["source_sha256"], build["fingerprint"])


def read_archive(path: Path) -> Archive:
    """Read what an archive says of itself, without its weights.

    Raises:
        WeightsError: the file is damaged, or not built by `videovisual archive`.
    """
    try:
        with zipfile.ZipFile(path) as opened:
            files = (json.loads(opened.read(name)) for name in (CARD_FILE, BUILD_FILE))
            return Archive.from_json(*files)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(
            f"{path} is damaged, or was not built by this version of `videovisual archive`. "
            "Build it again.",
            path=str(path),
        ) from error


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The network's entries in an archive.

    Raises:
        WeightsError: the file is damaged.
    """
    try:
        with zipfile.ZipFile(path) as opened:
            return load(opened.read(WEIGHTS_FILE))
    except (zipfile.BadZipFile, OSError, KeyError, SafetensorError) as error:
        raise WeightsError(
            f"{path} is damaged: {error}. Build it again.", path=str(path)
        ) from error


def read_program(path: Path) -> bytes | None:
    """The JSON of an archive's exported program; None where it holds none.

    Raises:
        WeightsError: the file is damaged, or the program is too large.
    """
    return _member(path, PROGRAM_FILE)


def read_onnx(path: Path) -> bytes | None:
    """The ONNX model of an archive; None for a network of PyTorch.

    Raises:
        WeightsError: the file is damaged, or the model is too large.
    """
    return _member(path, ONNX_FILE)


def _member(path: Path, name: str) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as opened:
            if name not in opened.namelist():
                return None
            check_size(opened.getinfo(name).file_size, path, name)
            return opened.read(name)
    except (zipfile.BadZipFile, OSError, KeyError, zlib.error) as error:
        raise WeightsError(
            f"{path} is damaged: {error}. Build it again.", path=str(path)
        ) from error


def check_size(size: int, path: Path, name: str) -> None:
    """Raises WeightsError where an archive's program or model, `name`, is too large to be read."""
    most = MAX_PROGRAM if name == PROGRAM_FILE else MAX_BYTES
    if size > most:
        raise WeightsError(
            f"{path} has a {name} of {size} bytes; at most {most} are read. Build it again.",
            path=str(path),
        )


def find_archive(name: str, store: Path | None = None) -> Path | None:
    """The archive of a model that is not a published one: its file, or None.

    Args:
        name: of the model, or the path of its `.mar`.
        store: the folder of the archives, `default_store()` unless given.
    """
    if name.endswith(".mar") and Path(name).is_file():
        return Path(name)
    if name in own_models(store):
        return (store or default_store()) / f"{name}.mar"
    return None
