"""A name, a file or an unpacked archive → a classifier."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from videovisual.digest import file_sha256
from videovisual.errors import MissingExtra, WeightsError
from videovisual.zoo.card import ModelCard
from videovisual.zoo.classifier import Classifier
from videovisual.zoo.layout import fit
from videovisual.zoo.registry import adapt, build
from videovisual.zoo.registry import card as find_card

WEIGHTS_FOLDER = Path(__file__).with_name("weights")
PACKAGED = "package:"
CARD_FILE = "card.json"


def load(
    name: str,
    weights: str | os.PathLike[str] | Mapping[str, torch.Tensor] | None = None,
    *,
    device: torch.device | str = "cpu",
) -> Classifier:
    """A pretrained classifier by name, without a server.

    Args:
        name: one of `videovisual.zoo.cards()`.
        weights: a checkpoint file in any layout that the family is published in, or its entries;
            None takes the published weights, downloading and verifying them at the first use.
        device: where to put it.

    Raises:
        UnknownModel: no such name.
        WeightsError: the weights fail their checksum or don't fit.
        DownloadError: the published weights cannot be fetched.
    """
    card = find_card(name)
    if isinstance(weights, Mapping):
        state = dict(weights)
        digest = hashlib.sha256(save(state)).hexdigest()
    else:
        path = _published(card) if weights is None else Path(weights)
        state, digest = _read(path), file_sha256(path)
    network = fit(build(card), adapt(card, state))
    return Classifier(card, network, digest).to(device)


def load_folder(folder: Path, device: torch.device | str = "cpu") -> Classifier:
    """The classifier of an unpacked archive: its `card.json` and its one safetensors file.

    Raises:
        WeightsError: a file is missing, or the weights don't fit the card.
    """
    files = list(folder.glob("*.safetensors"))
    if len(files) != 1 or not (folder / CARD_FILE).is_file():
        raise WeightsError(
            f"{folder.name} is no unpacked archive: it needs {CARD_FILE} and one safetensors "
            "file. Build it anew with `videovisual archive`."
        )
    card = ModelCard.from_json(json.loads((folder / CARD_FILE).read_text("utf-8")))
    network = fit(build(card), load_file(files[0]))
    return Classifier(card, network, file_sha256(files[0])).to(device)


def _published(card: ModelCard) -> Path:
    if card.weights.source.startswith(PACKAGED):
        return WEIGHTS_FOLDER / card.weights.source.removeprefix(PACKAGED)
    try:
        from videovisual_archive import fetch  # noqa: PLC0415
    except ImportError:
        raise MissingExtra(
            f"The weights of {card.name} must be fetched, and the archive tools are not here. "
            "Install them with: pip install 'videovisual[server]'.",
            extra="server",
        ) from None
    return fetch(card.weights.source, card.weights.sha256, size=card.weights.size)


def _read(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        return load_file(path)
    from videovisual_archive import read_checkpoint  # noqa: PLC0415

    return read_checkpoint(path)
