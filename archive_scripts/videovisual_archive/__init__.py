"""Builds `.mar` archives, which TorchServe loads, from published and verified weights."""

from pathlib import Path

from videovisual import zoo
from videovisual.errors import InvalidParameter
from videovisual.names import is_elsewhere
from videovisual.utils.cache_folder import default_cache
from videovisual.utils.digest import file_sha256
from videovisual.utils.files import check_writable
from videovisual.zoo.archived import (
    find_archive,
    read_archive,
    read_onnx,
    read_program,
    read_weights,
)
from videovisual.zoo.card import ModelCard
from videovisual.zoo.layout import fit, narrow_dtype
from videovisual.zoo.weights_io.cache import fetch, silent
from videovisual.zoo.weights_io.checkpoint import read_checkpoint
from videovisual.zoo.weights_io.http import Progress
from videovisual.zoo.weights_io.label_file import read_label_file
from videovisual.zoo.weights_io.labels import labelled
from videovisual_archive.exported import archive_classifier, archive_onnx, archive_pt2, check_name
from videovisual_archive.mar import build_archive, fingerprint, is_current

__all__ = [
    "Progress",
    "archive",
    "archive_classifier",
    "archive_onnx",
    "archive_pt2",
    "build_archive",
    "default_cache",
    "fetch",
    "labelled",
    "read_checkpoint",
    "read_label_file",
]


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
        name: of the model, or `hf:OWNER/NAME`, `torchvision:NAME` or a folder, as for `zoo.load`.
            An archive of the user's own is built again from its own weights.
        weights: file or address of a checkpoint, instead of the published one.
        labels: file or address of the class names, instead of the card's, in one of the forms of
            `read_label_file`. Those of the EPIC-Kitchens models are downloaded by
            default. With `weights`, their number is the number of classes.
        sha256: of the checkpoint, whole or its first digits (at least 8). By default the
            published checkpoint's is checked.
        served_as: new name of the model and its archive, which weights of your own need: letters,
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
        InvalidParameter: `served_as` is not a valid name or a published model's, or weights of
            your own come without it.
        MissingExtra: torch-model-archiver is not installed.
        WriteError: the archive can't be written; checked before anything is downloaded.
    """
    if served_as is not None:
        check_name(served_as)
    if is_elsewhere(name):
        if served_as is None:
            raise InvalidParameter(
                f"{name} is no model of the zoo, so its archive needs a name: `--as NAME`, "
                "`served_as=NAME`.",
                parameter="served_as",
            )
        check_writable(store / f"{served_as}.mar")
        given = None if weights is None else fetch(str(weights), sha256, cache, progress)
        return zoo.load(name, given, labels=labels).archive(served_as, store=store, force=force)
    card = labelled(zoo.card(name, store), labels, cache, own=weights is not None)
    own = find_archive(name, store) if weights is None else None
    if own is not None:
        held = read_archive(own)
        return build_archive(
            card,
            read_onnx(own) or read_weights(own),
            store,
            source_sha256=held.source_sha256,
            program=read_program(own),
            force=force,
        )
    published = card.weights
    expected = sha256 or (published.sha256 if weights is None else None)

    def finished(digest: str) -> Path | None:
        named = card if weights is None else _named(card, served_as, weights, digest, labels)
        target = store / f"{named.name}.mar"
        return target if not force and is_current(target, fingerprint(named, digest)) else None

    if expected is not None and len(expected) == 64 and (made := finished(expected.lower())):
        return made
    check_writable(store / f"{served_as or card.name}.mar")
    checkpoint = fetch(
        published.source if weights is None else str(weights),
        expected,
        cache,
        progress,
        size=published.size if weights is None else None,
    )
    source_sha256 = file_sha256(checkpoint)
    if made := finished(source_sha256):
        return made
    state = zoo.adapt(card, read_checkpoint(checkpoint))
    # 16-bit weights stay so in the archive, where they are as exact and the server tells of them.
    narrow = {key: tensor.dtype for key, tensor in state.items() if narrow_dtype({key: tensor})}
    network = fit(zoo.build(card), state)
    entries = {
        key: tensor.to(narrow.get(key, tensor.dtype))
        for key, tensor in network.state_dict().items()
    }
    if weights is not None:
        card = _named(card, served_as, weights, source_sha256, labels)
    if card.name == card.base:
        raise InvalidParameter(
            f"These weights are not the published ones of {name}, so they need a name of their "
            "own: `--as NAME`, `served_as=NAME`.",
            parameter="served_as",
            expected=published.sha256,
            actual=source_sha256,
        )
    return build_archive(card, entries, store, source_sha256=source_sha256, force=force)


def _named(
    card: ModelCard, name: str | None, weights: str | Path, sha256: str, labels: str | Path | None
) -> ModelCard:
    """The card of given weights, which is the published one if they are the published ones."""
    if name is None and card.is_published(sha256, relabelled=labels is not None):
        return card
    source = str(weights) if "://" in str(weights) else Path(weights).name
    return card.with_own_weights(name or card.name, source, sha256)
