"""Builds `.mar` archives, which TorchServe loads, from published and verified weights."""

import dataclasses
import re
from pathlib import Path

from videovisual import zoo
from videovisual.errors import InvalidParameter
from videovisual.utils.cache_folder import default_cache
from videovisual.utils.digest import file_sha256
from videovisual.utils.files import check_writable
from videovisual.zoo.card import ModelCard
from videovisual.zoo.layout import fit, narrow_dtype
from videovisual.zoo.weights_io.cache import fetch, silent
from videovisual.zoo.weights_io.checkpoint import read_checkpoint
from videovisual.zoo.weights_io.http import Progress
from videovisual.zoo.weights_io.label_file import read_label_file
from videovisual.zoo.weights_io.labels import labelled
from videovisual_archive.mar import build_archive, fingerprint, is_current

__all__ = [
    "Progress",
    "archive",
    "build_archive",
    "default_cache",
    "fetch",
    "labelled",
    "read_checkpoint",
    "read_label_file",
]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def archive(
    name: str,
    *,
    weights: str | Path | None = None,
    labels: str | Path | None = None,
    sha256: str | None = None,
    served_as: str | None = None,
    store: Path,
    cache: Path | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Path:
    """Build `store/NAME.mar`, unless an archive with the same content is there.

    An interrupted or corrupted download never yields an archive.

    Args:
        name: of the model.
        weights: file or address of a checkpoint, instead of the published one.
        labels: file or address of the class names, instead of the card's, in one of the forms of
            `read_label_file`. Those of the EPIC-Kitchens models are downloaded by
            default. With `weights`, their number is the number of classes.
        sha256: of the checkpoint, whole or its first digits (at least 8). By default the
            published checkpoint's is checked.
        served_as: new name of the model and its archive, for weights of your own: letters,
            digits, `.`, `_`, `-`.
        store: folder of the archives.
        cache: folder for downloads, `default_cache()` unless given.
        force: rebuild an archive that has the same content.
        progress: called with the checkpoint's bytes downloaded so far and the total.

    Returns:
        Path of the archive.

    Raises:
        UnknownModel: there is no such model.
        DownloadError: the weights or labels cannot be downloaded.
        WeightsError: the checkpoint fails its checksum or holds other objects than tensors, or
            the weights or labels don't fit.
        InvalidParameter: `served_as` is not a valid name, or another model has it.
        MissingExtra: torch-model-archiver is not installed.
        WriteError: the archive can't be written; checked before anything is downloaded.
    """
    card = labelled(zoo.card(name), labels, cache, own=weights is not None)
    if served_as is not None:
        card = _renamed(card, served_as)
    published = card.weights
    expected = sha256 or (published.sha256 if weights is None else None)
    target = store / f"{card.name}.mar"
    known = expected is not None and len(expected) == 64
    if known and not force and is_current(target, fingerprint(card, str(expected).lower())):
        return target
    check_writable(target)
    checkpoint = fetch(
        published.source if weights is None else str(weights),
        expected,
        cache,
        progress,
        size=published.size if weights is None else None,
    )
    source_sha256 = file_sha256(checkpoint)
    if not force and is_current(target, fingerprint(card, source_sha256)):
        return target
    state = zoo.adapt(card, read_checkpoint(checkpoint))
    # 16-bit weights stay so in the archive, where they are as exact and the server tells of them.
    narrow = {key: tensor.dtype for key, tensor in state.items() if narrow_dtype({key: tensor})}
    network = fit(zoo.build(card), state)
    entries = {
        key: tensor.to(narrow.get(key, tensor.dtype))
        for key, tensor in network.state_dict().items()
    }
    return build_archive(card, entries, store, source_sha256=source_sha256, force=force)


def _renamed(card: ModelCard, name: str) -> ModelCard:
    if not NAME.fullmatch(name) or (name in zoo.cards() and name != card.name):
        raise InvalidParameter(
            f"A model cannot be served as {name!r}. Give a name of letters, digits, '.', '_' and "
            "'-' that starts with a letter or digit and that no other model has.",
            parameter="served_as",
            given=name,
        )
    return dataclasses.replace(card, name=name, accuracy="not known: own weights")
