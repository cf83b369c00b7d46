"""The archives of a model store, and whether they are up to date."""

import dataclasses
import json
import zipfile
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

from videovisual import zoo
from videovisual.zoo.card import ModelCard
from videovisual_archive.mar import BUILD, CARD, fingerprint


class State(str, Enum):
    """Whether an archive can be used as it is."""

    CURRENT = "current"
    """`videovisual archive` would build the same archive from the same weights."""
    STALE = "stale"
    """The card or the code has changed since it was built."""
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
    """

    name: str
    path: Path
    state: State
    size: int
    built: datetime


def contents(store: Path) -> list[Stored]:
    """The archives of a store, sorted by name; none where the folder doesn't exist."""
    return [_stored(path) for path in sorted(store.glob("[!.]*.mar"))]


def _stored(path: Path) -> Stored:
    about = path.stat()
    return Stored(
        name=path.stem,
        path=path,
        state=_state(path),
        size=about.st_size,
        built=datetime.fromtimestamp(about.st_mtime, timezone.utc),
    )


def _state(path: Path) -> State:
    try:
        with zipfile.ZipFile(path) as archive:
            build = json.loads(archive.read(BUILD))
            held = ModelCard.from_json(json.loads(archive.read(CARD)))
        if held.name != path.stem:
            return State.FOREIGN
        # An archive may have labels of the user's own, or a card of its own for own weights;
        # neither makes it stale.
        card = zoo.cards().get(held.name, held)
        card = dataclasses.replace(card, labels=held.labels)
        same = build["fingerprint"] == fingerprint(card, build["source_sha256"])
    except (zipfile.BadZipFile, OSError):
        return State.DAMAGED
    except (KeyError, ValueError, TypeError):
        return State.FOREIGN
    return State.CURRENT if same else State.STALE
