"""Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928)."""

import torch

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import Parameters
from videovisual.attribution.token_mixing import read_network
from videovisual.engine.attention import Attention
from videovisual.engine.probe import Attribution


def attention_rollout(case: Case, parameters: Parameters) -> Attribution:
    """The product over the layers of attention and identity, in equal parts.

    The identity stands for the residual connections. The heads' mean is taken, and each row is
    normalised to the sum 1. The map is the row of the token that the answer is read from, which is
    the class token where there is one, or the mean of several rows, or the row of a query that
    reads all tokens at the end. It is the same for every target. Unsigned.

    Raises:
        UnsuitableMethod: the network has no attention that can be followed.
    """
    del parameters
    network = yield from read_network(case, Attention.WEIGHTS)
    row = network.row()
    if network.pooled is not None:
        row = network.pooled
    for layer in reversed(network.layers):
        mixing = layer.averaged()
        row = row / (1 + mixing.sums(torch.ones_like(row)))
        row = row + mixing.before(row)
    return network.saliency(case, row)
