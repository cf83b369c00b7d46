"""A card with the class names of a file, or with those that are downloaded."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from videovisual.errors import DownloadError, WeightsError
from videovisual.zoo.card import ModelCard
from videovisual.zoo.layout import Labels
from videovisual.zoo.own_module import checked_labels
from videovisual.zoo.weights_io.cache import fetch
from videovisual.zoo.weights_io.label_file import read_label_file

EPIC55 = "https://raw.githubusercontent.com/epic-kitchens/epic-kitchens-55-annotations/master"
SOURCES: Mapping[str, str] = {
    "tsm-epic55-verb": f"{EPIC55}/EPIC_verb_classes.csv",
    "tsm-epic55-noun": f"{EPIC55}/EPIC_noun_classes.csv",
}
"""Class names whose licence doesn't allow shipping them with the card: their addresses."""


def labelled(
    card: ModelCard, given: Labels | None = None, cache: Path | None = None, *, own: bool = False
) -> ModelCard:
    """The card with its class names filled in.

    Args:
        card: the model's card.
        given: the class names, or their file or address. None downloads those of the EPIC-Kitchens
            models and leaves every other card as it is.
        cache: folder for downloads, `default_cache()` unless given.
        own: whether the weights are the user's own, which may have other classes. The number of
            names in `given` is then the number of classes.

    Raises:
        DownloadError: the class names cannot be downloaded.
        WeightsError: the class names don't fit the card.
    """
    classes = None if own and given else len(card.labels)
    made_for = None if own else card.made_for
    if given is not None and not isinstance(given, str | os.PathLike):
        names = checked_labels(given)
        if classes not in (None, len(names)):
            raise WeightsError(
                f"There are {len(names)} class names, and {card.name} has {classes} classes. Give "
                "a name for each.",
                classes=classes,
                found=len(names),
            )
        return dataclasses.replace(card, labels=names, made_for=made_for)
    source = str(given or SOURCES.get(card.name, ""))
    if not source:
        return card
    try:
        path = fetch(source, cache=cache)
    except DownloadError as error:
        raise type(error)(
            f"The class names of {card.name}: {error.message} Or give them as a file: "
            "`--labels FILE`, `labels=FILE`.",
            **error.detail,
        ) from error
    return dataclasses.replace(card, labels=read_label_file(path, classes), made_for=made_for)
