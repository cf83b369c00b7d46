"""Weights and class names of a user's own, for a network that is kept elsewhere."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from videovisual.utils.digest import file_sha256
from videovisual.zoo.layout import Labels, Weights, tensors_sha256
from videovisual.zoo.own_module import checked_labels
from videovisual.zoo.weights_io.cache import fetch
from videovisual.zoo.weights_io.checkpoint import read_checkpoint
from videovisual.zoo.weights_io.label_file import read_label_file


@dataclass(frozen=True)
class Checkpoint:
    """The entries of a checkpoint.

    Attributes:
        state: the entries.
        sha256: of the file; of the tensors where they came from none.
        source: its name.
    """

    state: Mapping[str, torch.Tensor]
    sha256: str
    source: str


def read_weights(weights: Weights) -> Checkpoint:
    """The entries of a checkpoint's file, or those that are given.

    Raises:
        WeightsError: the file holds something else.
    """
    if isinstance(weights, Mapping):
        state = {key: tensor.detach().contiguous() for key, tensor in weights.items()}
        return Checkpoint(state, tensors_sha256(state), "entries")
    path = Path(weights)
    return Checkpoint(read_checkpoint(path), file_sha256(path), path.name)


def read_labels(labels: Labels) -> tuple[str, ...]:
    """Class names: those of a file or an address, or those that are given.

    Raises:
        DownloadError: the file cannot be downloaded.
        WeightsError: two are the same.
        InvalidParameter: they are no list of names.
    """
    if isinstance(labels, str | os.PathLike):
        return read_label_file(fetch(str(labels)), None)
    return checked_labels(labels)
