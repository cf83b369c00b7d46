"""The pretrained classifiers: one module per family of networks, and a registry by name."""

from videovisual.zoo.card import InputSpec as InputSpec
from videovisual.zoo.card import ModelCard as ModelCard
from videovisual.zoo.card import WeightsCard as WeightsCard
from videovisual.zoo.classifier import Classifier as Classifier
from videovisual.zoo.loading import load as load
from videovisual.zoo.loading import load_folder as load_folder
from videovisual.zoo.loading import load_weights as load_weights
from videovisual.zoo.registry import adapt as adapt
from videovisual.zoo.registry import build as build
from videovisual.zoo.registry import card as card
from videovisual.zoo.registry import cards as cards
