"""Relevance of attention (Chefer, Gur & Wolf 2021, arXiv 2103.15679)."""

import torch

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import Parameters
from videovisual.attribution.token_mixing import Network, read_network
from videovisual.engine.attention import Attention
from videovisual.engine.probe import Attribution


def attention_relevance(case: Case, parameters: Parameters) -> Attribution:
    """Attention times the gradient of the target's logit at it, accumulated over the layers.

    A layer's matrix Ā is the mean over the heads of the positive part of gradient × attention, and
    the relevance R of tokens for tokens becomes R + Ā·R, from the identity on (equations 5 and 6).
    The map is the row of the token that the answer is read from, which is the class token where
    there is one, or the mean of several rows, or the row of a query that reads all tokens at the
    end (equations 8 to 10). It is that of R less the identity, which adds the same to every cell.
    Unsigned.

    Raises:
        UnsuitableMethod: the network has no attention that can be followed.
    """
    del parameters
    network = yield from read_network(case, Attention.RELEVANCE)
    if network.pooled is not None:
        row = _relevance_to_query(network, network.pooled)
    else:
        row = _relevance(network, network.row())
    return network.saliency(case, row)


def _relevance(network: Network, row: torch.Tensor) -> torch.Tensor:
    """A row [tokens] times R less the identity, from the last layer to the first."""
    found = torch.zeros_like(row)
    for layer in reversed(network.layers):
        found = found + layer.before(row + found)
    return found


def _relevance_to_query(network: Network, pooled: torch.Tensor) -> torch.Tensor:
    """`pooled` times R, whose rows less the identity are first normalised to the sum 1.

    Only the sums of these rows are needed, and not R itself.
    """
    sums = torch.zeros_like(pooled)
    for layer in network.layers:
        sums = sums + layer.sums(1 + sums)
    return pooled + _relevance(network, torch.where(sums > 0, pooled / sums, 0.0))
