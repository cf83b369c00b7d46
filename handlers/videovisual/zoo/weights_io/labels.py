"""Class names from a file: one per line, or a column of EPIC-Kitchens' annotation tables."""

import csv
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from videovisual.errors import DownloadError, WeightsError
from videovisual.zoo.card import ModelCard
from videovisual.zoo.weights_io.cache import fetch

EPIC55 = "https://raw.githubusercontent.com/epic-kitchens/epic-kitchens-55-annotations/master"
SOURCES: Mapping[str, str] = {
    "tsm-epic55-verb": f"{EPIC55}/EPIC_verb_classes.csv",
    "tsm-epic55-noun": f"{EPIC55}/EPIC_noun_classes.csv",
}
"""Class names whose licence doesn't allow shipping them with the card: their addresses."""
COLUMN = "class_key"


def labelled(
    card: ModelCard,
    given: str | os.PathLike[str] | None = None,
    cache: Path | None = None,
    *,
    own: bool = False,
) -> ModelCard:
    """The card with its class names filled in.

    Args:
        card: the model's card.
        given: file or address of the class names. None downloads those of the EPIC-Kitchens
            models and leaves every other card as it is.
        cache: folder for downloads, `default_cache()` unless given.
        own: whether the weights are the user's own, which may have other classes. The number of
            names in `given` is then the number of classes.

    Raises:
        DownloadError: the class names cannot be downloaded.
        WeightsError: the class names don't fit the card.
    """
    source = str(given or SOURCES.get(card.name, ""))
    if not source:
        return card
    try:
        path = fetch(source, cache=cache)
    except DownloadError as error:
        raise DownloadError(
            f"The class names of {card.name}: {error.message} Or give them as a file: "
            "`--labels FILE`, `labels=FILE`.",
            **error.detail,
        ) from error
    classes = None if own and given else len(card.labels)
    made_for = None if own else card.made_for
    return dataclasses.replace(card, labels=read_label_file(path, classes), made_for=made_for)


def read_label_file(path: Path, classes: int | None) -> tuple[str, ...]:
    """The class names in the order of the logits.

    Args:
        path: UTF-8 text with one class per line, or CSV with a column `class_key`.
        classes: the number of classes; None accepts any.

    Raises:
        WeightsError: the file is not text, has another number of classes, or has an empty name.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"The labels {path} cannot be read as UTF-8 text: {error}.", path=str(path)
        ) from error
    lines = text.splitlines()
    if lines and COLUMN in next(csv.reader(lines[:1])):
        labels = tuple((row[COLUMN] or "").strip() for row in csv.DictReader(lines))
    else:
        labels = tuple(line.strip() for line in lines)
    if not labels or not all(labels) or classes not in (None, len(labels)):
        needed = f"the model has {classes} classes" if classes else "each class needs a name"
        raise WeightsError(
            f"{path.name} has {len(labels)} class names, {labels.count('')} of them empty; "
            f"{needed}. Give one name per line, or CSV with a column `{COLUMN}`.",
            classes=classes,
            found=len(labels),
        )
    return labels
