"""What lies in a model store."""

from __future__ import annotations

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
    """What an archive is worth."""

    CURRENT = "current"
    """It is what `videovisual archive` would build from the same weights."""
    STALE = "stale"
    """The card or the code has changed since."""
    FOREIGN = "foreign"
    """Renamed, or not built by `videovisual archive`."""
    DAMAGED = "damaged"
    """Not a whole zip."""


@dataclass(frozen=True)
class Stored:
    """One archive.

    Attributes:
        name: of the model, by the file's name.
        path: where it lies.
        state: what it is worth.
        size: bytes.
        built: when it was written, UTC.
    """

    name: str
    path: Path
    state: State
    size: int
    built: datetime


def contents(store: Path) -> list[Stored]:
    """The archives of a store, by name; none where there is no such folder."""
    return [_look(path) for path in sorted(store.glob("[!.]*.mar"))]


def _look(path: Path) -> Stored:
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
        # Labels can be the user's own, and the whole card where the weights are, so they don't
        # make an archive stale.
        card = zoo.cards().get(held.name, held)
        card = dataclasses.replace(card, labels=held.labels)
        same = build["fingerprint"] == fingerprint(card, build["source_sha256"])
    except (zipfile.BadZipFile, OSError):
        return State.DAMAGED
    except (KeyError, ValueError, TypeError):
        return State.FOREIGN
    return State.CURRENT if same else State.STALE
