"""The archives of a model store, and whether they are up to date."""

import dataclasses
import importlib
import zipfile
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

from videovisual import zoo
from videovisual.errors import WeightsError
from videovisual.names import MODELS
from videovisual.utils.extras import needs
from videovisual.zoo.archived import read_archive, read_program
from videovisual.zoo.card import ModelCard
from videovisual.zoo.onnx_model import ONNX
from videovisual_archive.mar import fingerprint


class State(str, Enum):
    """Whether an archive can be used as it is."""

    CURRENT = "current"
    """`videovisual archive` would build the same archive from the same weights."""
    STALE = "stale"
    """The card or the code has changed since it was built."""
    MISNAMED = "misnamed"
    """It has a published model's name, and other weights."""
    FOREIGN = "foreign"
    """Renamed, or not built by `videovisual archive`."""
    DAMAGED = "damaged"
    """Not a complete zip file."""


@dataclass(frozen=True)
class Stored:
    """One archive.

    Attributes:
        name: of the model, from the file's name.
        path: of the file.
        state: whether it is up to date.
        size: in bytes.
        built: modification time, UTC.
        own: whether it has weights of the user's own.
        card: of its model; None if it can't be read.
    """

    name: str
    path: Path
    state: State
    size: int
    built: datetime
    own: bool
    card: ModelCard | None


def contents(store: Path) -> list[Stored]:
    """The archives of a store, sorted by name; none where the folder doesn't exist."""
    return [_stored(path) for path in sorted(store.glob("[!.]*.mar"))]


def _stored(path: Path) -> Stored:
    about = path.stat()
    state, card = _read(path)
    return Stored(
        name=path.stem,
        path=path,
        state=state,
        size=about.st_size,
        built=datetime.fromtimestamp(about.st_mtime, timezone.utc),
        own=state is State.MISNAMED or path.stem not in MODELS,
        card=card,
    )


def is_misnamed(path: Path) -> bool:
    """Whether an archive has a published model's name, and other weights.

    Raises:
        WeightsError: it can't be read.
    """
    held, published = read_archive(path), zoo.cards().get(path.stem)
    return published is not None and not published.is_published(held.source_sha256)


def check_can_run(path: Path) -> None:
    """Check before a server starts that this installation can run an archive's model.

    Raises:
        WeightsError: it can't be read.
        MissingExtra: it is an ONNX model, and onnx or onnxruntime is not installed.
    """
    if read_archive(path).card.family == ONNX:
        with needs("onnx"):
            for package in ("onnx", "onnxruntime"):
                importlib.import_module(package)


def _read(path: Path) -> tuple[State, ModelCard | None]:
    try:
        held = read_archive(path)
    except WeightsError as error:
        damaged = isinstance(error.__cause__, zipfile.BadZipFile | OSError)
        return State.DAMAGED if damaged else State.FOREIGN, None
    card = held.card
    if card.name != path.stem:
        return State.FOREIGN, card
    if is_misnamed(path):
        return State.MISNAMED, card
    # An archive may have labels of the user's own, or a card of its own for own weights; neither
    # makes it stale.
    current = dataclasses.replace(zoo.cards().get(card.name, card), labels=card.labels)
    same = held.fingerprint == fingerprint(current, held.source_sha256, program=read_program(path))
    return State.CURRENT if same else State.STALE, card
