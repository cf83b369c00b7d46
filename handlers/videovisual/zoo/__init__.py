"""The pretrained classifiers: one module per family of networks, and a registry by name."""

from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard
from videovisual.zoo.classifier import Classifier
from videovisual.zoo.loading import load, load_folder
from videovisual.zoo.registry import adapt, build, card, cards

__all__ = [
    "Classifier",
    "InputSpec",
    "ModelCard",
    "WeightsCard",
    "adapt",
    "build",
    "card",
    "cards",
    "load",
    "load_folder",
]
