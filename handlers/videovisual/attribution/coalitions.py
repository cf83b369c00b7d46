"""Shapley values: the fair shares of players in a game's score (Shapley 1953)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, fsum, sqrt
from statistics import fmean, stdev

import torch

Coalition = int
"""A set of players as a number: its bit i is set where player i takes part."""

Order = Sequence[int]
"""A permutation of the players."""


@dataclass(frozen=True)
class Shares:
    """The players' shares, which sum to the score of all less the score of none.

    Attributes:
        values: of each player.
        errors: standard error of each value; None where the values are exact.
    """

    values: list[float]
    errors: list[float] | None = None


def exact(scores: Mapping[Coalition, float], players: int) -> Shares:
    """The Shapley values, from the scores of all coalitions.

    Each value is the mean of what the player adds to the coalitions of the others: first over
    those of one size, then over the sizes.
    """
    values = []
    for player in range(players):
        own = 1 << player
        values.append(
            fsum(
                (scores[others | own] - scores[others])
                / (players * comb(players - 1, others.bit_count()))
                for others in range(1 << players)
                if not others & own
            )
        )
    return Shares(values)


def orders(players: int, count: int, seed: int) -> list[Order]:
    """`count` random orders, every second one the reverse of the one before.

    What a player adds when it comes early and when it comes late differ in opposite directions, so
    a pair's mean varies less (antithetic sampling; Mitchell et al. 2022, arXiv 2104.12199).
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randperm(players, generator=generator).tolist() for _ in range(count // 2)]
    return [order for one in drawn for order in (one, one[::-1])]


def coalitions(order: Order) -> list[Coalition]:
    """The coalitions that grow by one player after another, from none to all."""
    grown = [0]
    for player in order:
        grown.append(grown[-1] | 1 << player)
    return grown


def sampled(scores: Mapping[Coalition, float], drawn: Sequence[Order]) -> Shares:
    """Estimates by what each player adds in random orders (Castro, Gómez & Tejada 2009).

    Args:
        scores: of all coalitions of the orders.
        drawn: as `orders` gives them, at least four.
    """
    added = [_added(scores, order) for order in drawn]
    pairs = [
        [(one + other) / 2 for one, other in zip(first, second, strict=True)]
        for first, second in zip(added[::2], added[1::2], strict=True)
    ]
    columns = list(zip(*pairs, strict=True))
    return Shares(
        [fmean(column) for column in columns],
        [stdev(column) / sqrt(len(column)) for column in columns],
    )


def _added(scores: Mapping[Coalition, float], order: Order) -> list[float]:
    """What each player adds, by the player's number."""
    grown = coalitions(order)
    added = [0.0] * len(order)
    for player, before, after in zip(order, grown[:-1], grown[1:], strict=True):
        added[player] = scores[after] - scores[before]
    return added
