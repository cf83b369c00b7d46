"""A name, a file or an unpacked archive → a classifier."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from videovisual.errors import DownloadError, WeightsError
from videovisual.utils.digest import file_sha256
from videovisual.utils.extras import needs
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
    labels: str | os.PathLike[str] | None = None,
    device: torch.device | str = "cpu",
) -> Classifier:
    """A pretrained classifier by name, without a server.

    Args:
        name: one of `videovisual.zoo.cards()`.
        weights: a checkpoint file in any layout that the family is published in, or its entries;
            None takes the published weights, downloading and verifying them at the first use.
        labels: file or address of the class names instead of the card's, as `videovisual archive`
            takes them; beside weights of your own they also say how many classes there are. The
            EPIC-Kitchens models' are fetched together with their weights; beside weights of your
            own they are `verb 0`, `verb 1`, … unless given.
        device: where to put it.

    Raises:
        UnknownModel: no such name; the message lists the near ones.
        WeightsError: the weights fail their checksum or don't fit, or the labels don't.
        DownloadError: the published weights or labels cannot be fetched.
        MissingExtra: they must be fetched or read by the archive tools, which are not installed.
    """
    card = find_card(name)
    if isinstance(weights, Mapping):
        state = dict(weights)
        digest = hashlib.sha256(save(state)).hexdigest()
    else:
        path = _published(card) if weights is None else Path(weights)
        state, digest = _read(card, path), file_sha256(path)
    if labels is not None or (weights is None and not _is_packaged(card)):
        with _weights_io(card):
            from videovisual.zoo.weights_io.labels import labelled  # noqa: PLC0415
        card = labelled(card, labels, own=weights is not None)
    network = fit(build(card), adapt(card, state))
    return Classifier(card, network, digest).to(device)


def load_folder(folder: Path, device: torch.device | str = "cpu") -> Classifier:
    """The classifier of an unpacked archive: its `card.json` and its one safetensors file.

    The file must stay as it is for as long as the classifier lives: on a processor its pages are
    the weights.

    Raises:
        WeightsError: a file is missing or damaged, or the weights don't fit the card.
    """
    files = list(folder.glob("*.safetensors"))
    if len(files) != 1 or not (folder / CARD_FILE).is_file():
        raise WeightsError(
            f"{folder.name} is no unpacked archive: it needs {CARD_FILE} and one safetensors "
            "file. Build it anew with `videovisual archive`."
        )
    card = ModelCard.from_json(json.loads((folder / CARD_FILE).read_text("utf-8")))
    with torch.device("meta"):
        network = build(card)
    fit(network, _read_safetensors(files[0]))
    return Classifier(card, network, file_sha256(files[0])).to(device)


def _is_packaged(card: ModelCard) -> bool:
    return card.weights.source.startswith(PACKAGED)


def _published(card: ModelCard) -> Path:
    if _is_packaged(card):
        return WEIGHTS_FOLDER / card.weights.source.removeprefix(PACKAGED)
    with _weights_io(card):
        from videovisual.zoo.weights_io.cache import fetch  # noqa: PLC0415
    try:
        return fetch(card.weights.source, card.weights.sha256, size=card.weights.size)
    except DownloadError as error:
        raise DownloadError(
            f"The weights of {card.name} cannot be had. {error.message} If you have the file, pass "
            f"it: `load({card.name!r}, weights=…)`, or `videovisual archive {card.name} "
            "--weights FILE`.",
            **error.detail,
        ) from error


def _weights_io(card: ModelCard) -> AbstractContextManager[None]:
    """Put around imports from `weights_io`, which is left out of archives."""
    return needs("server", f"{card.name} has weights or labels to be fetched or converted.")


def _read(card: ModelCard, path: Path) -> dict[str, torch.Tensor]:
    # Weights that ship with the package load without the archive tools.
    if path.suffix == ".safetensors" and path.is_file():
        return _read_safetensors(path)
    with _weights_io(card):
        from videovisual.zoo.weights_io.checkpoint import read_checkpoint  # noqa: PLC0415
    return read_checkpoint(path)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(
            f"{path.name} is damaged: {error}. Download it or build its archive again.",
            path=str(path),
        ) from error
