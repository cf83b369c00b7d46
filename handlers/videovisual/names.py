"""The models' names, importable without torch, so the client can use them."""

import os
from pathlib import Path

MODELS = (
    "i3d-kinetics400",
    "r3d-kinetics400",
    "mc3-kinetics400",
    "r2plus1d-kinetics400",
    "tsm-kinetics400",
    "tsm-epic55-verb",
    "tsm-epic55-noun",
    "i3d-motion",
    "r2plus1d-motion",
    "r3d-motion",
    "mc3-motion",
    "tsm-motion",
    "videomae-motion",
    "swin3d-motion",
)
"""`videovisual.zoo.cards()` has a card for each of these."""

SOURCES = ("hf:", "torchvision:")
"""How the names of models begin that are kept elsewhere: on the Hub, and in torchvision."""

STORE_VARIABLE = "VIDEOVISUAL_STORE"


def default_store() -> Path:
    """The folder of the archives: `$VIDEOVISUAL_STORE`, else `model_store` where one works."""
    return Path(os.environ.get(STORE_VARIABLE) or "model_store")


def own_models(store: Path | None = None) -> tuple[str, ...]:
    """The names of a store's archives that are not published models, sorted.

    Args:
        store: the folder of the archives, `default_store()` unless given.
    """
    archives = (store or default_store()).glob("[!.]*.mar")
    return tuple(sorted(path.stem for path in archives if path.stem not in MODELS))


def is_elsewhere(name: str) -> bool:
    """Whether a name is one of the Hub or of torchvision, or the path of a folder with a model of
    transformers."""
    if name in MODELS:
        return False
    return name.startswith(SOURCES) or os.path.isfile(os.path.join(name, "config.json"))
