"""Class names from a file: one a line, or EPIC-Kitchens' annotation tables."""

from __future__ import annotations

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
"""Where the class names are published that may not be shipped with the model's card."""
COLUMN = "class_key"


def labelled(
    card: ModelCard,
    given: str | os.PathLike[str] | None = None,
    cache: Path | None = None,
    *,
    own: bool = False,
) -> ModelCard:
    """The card with the class names that it is to have.

    Args:
        card: the model's.
        given: file or address of the class names. Without it the EPIC-Kitchens models' are
            fetched, and every other card is left as it is.
        cache: folder for what is downloaded, `default_cache()` unless given.
        own: whether they are of weights of the user's own, which may have other classes; then
            those given say how many there are.

    Raises:
        DownloadError: the class names cannot be fetched.
        WeightsError: they don't fit the card.
    """
    source = str(given or SOURCES.get(card.name, ""))
    if not source:
        return card
    try:
        path = fetch(source, cache=cache)
    except DownloadError as error:
        raise DownloadError(
            f"The class names of {card.name}: {error.message} Or give them as a file: "
            "`--labels FILE`, `labels=…`.",
            **error.detail,
        ) from error
    classes = None if own and given else len(card.labels)
    return dataclasses.replace(card, labels=read_label_file(path, classes))


def read_label_file(path: Path, classes: int | None) -> tuple[str, ...]:
    """The class names in the order of the logits.

    Args:
        path: UTF-8 text, one class a line; or CSV whose head has a column `class_key`, in the
            order of the rows.
        classes: how many there must be; None takes as many as there are.

    Raises:
        WeightsError: the file is no text, or has another number of classes, or an empty one.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"The labels {path} cannot be read: {error}.", path=str(path)) from error
    lines = text.splitlines()
    if lines and COLUMN in next(csv.reader(lines[:1])):
        labels = tuple((row[COLUMN] or "").strip() for row in csv.DictReader(lines))
    else:
        labels = tuple(line.strip() for line in lines)
    if not labels or not all(labels) or classes not in (None, len(labels)):
        has = f"the model has {classes} classes" if classes else "each class needs one"
        raise WeightsError(
            f"{path.name} has {len(labels)} class names, {labels.count('')} of them empty; "
            f"{has}. Give one name a line, or CSV with a column `{COLUMN}`.",
            classes=classes,
            found=len(labels),
        )
    return labels
