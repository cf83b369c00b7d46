"""Model randomisation: Adebayo et al. 2018, arXiv 1810.03292."""

import copy

import torch

from videovisual.errors import InvalidParameter
from videovisual.zoo.classifier import Classifier

RANDOM_SEEDS = (0, 1)
"""Seeds of the random weights: with one set of them a map can be similar by chance."""


def randomised(classifier: Classifier, seed: int = 0) -> Classifier:
    """The same network with new random weights, for the model-randomisation check.

    Compare the maps of both by `similarity`, for each of `RANDOM_SEEDS`.

    Raises:
        InvalidParameter: the classifier is known by its scores alone.
    """
    if not classifier.differentiable:
        raise InvalidParameter(
            f"{classifier.card.name} is known by its scores alone, so it has no weights to "
            "randomise. Leave this check out.",
            parameter="classifier",
        )
    network = copy.deepcopy(classifier.network)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
    return Classifier(classifier.card, network, f"randomised with seed {seed}")
