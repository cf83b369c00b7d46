"""Shapley values against their definition as a mean over all orders of the players."""

from __future__ import annotations

from itertools import permutations
from statistics import fmean

import numpy as np
import pytest

from videovisual.attribution.coalitions import Coalition, coalitions, exact, orders, sampled

PLAYERS = 5
Game = dict[Coalition, float]


def game(seed: int = 0) -> Game:
    values = np.random.default_rng(seed).normal(size=1 << PLAYERS)
    return dict(enumerate(values.tolist()))


def by_all_orders(scores: Game) -> list[float]:
    added: list[list[float]] = [[] for _ in range(PLAYERS)]
    for order in permutations(range(PLAYERS)):
        grown = 0
        for player in order:
            added[player].append(scores[grown | 1 << player] - scores[grown])
            grown |= 1 << player
    return [fmean(each) for each in added]


@pytest.mark.parametrize("seed", range(3))
def test_exact_values_are_the_mean_over_all_orders(seed: int) -> None:
    assert exact(game(seed), PLAYERS).values == pytest.approx(by_all_orders(game(seed)), abs=1e-12)


def test_players_who_add_the_same_have_equal_shares_and_one_who_adds_nothing_none() -> None:
    def score(members: Coalition) -> float:
        one, other, _, fourth, fifth = (members >> player & 1 for player in range(PLAYERS))
        return 3 * max(one, other) + fourth * fifth

    values = exact({each: score(each) for each in range(1 << PLAYERS)}, PLAYERS).values
    assert values == pytest.approx([1.5, 1.5, 0, 0.5, 0.5], abs=1e-12)


def test_shares_sum_to_what_all_players_add_together() -> None:
    scores = game()
    whole = scores[(1 << PLAYERS) - 1] - scores[0]
    for shares in (exact(scores, PLAYERS), sampled(scores, orders(PLAYERS, 6, seed=1))):
        assert sum(shares.values) == pytest.approx(whole, abs=1e-12)


def test_every_second_order_is_the_one_before_in_reverse() -> None:
    drawn = orders(PLAYERS, 8, seed=2)
    assert len(drawn) == 8
    assert all(sorted(order) == list(range(PLAYERS)) for order in drawn)
    assert all(one == other[::-1] for one, other in zip(drawn[::2], drawn[1::2], strict=True))
    assert drawn == orders(PLAYERS, 8, seed=2) != orders(PLAYERS, 8, seed=3)
    assert coalitions([2, 0, 1]) == [0b000, 0b100, 0b101, 0b111]


def test_estimates_miss_by_about_their_standard_errors() -> None:
    scores, truth = game(), np.array(exact(game(), PLAYERS).values)
    found = [sampled(scores, orders(PLAYERS, 20, seed)) for seed in range(300)]
    misses = np.array([shares.values for shares in found]) - truth
    told = np.sqrt(np.mean(np.square([shares.errors for shares in found]), axis=0))
    np.testing.assert_allclose(misses.mean(axis=0), 0, atol=4 * told.max() / 300**0.5)
    np.testing.assert_allclose(misses.std(axis=0), told, rtol=0.2)


def test_a_game_without_interplay_is_estimated_without_error() -> None:
    worth = [1.0, -2.0, 0.5, 0.0, 4.0]
    scores = {
        each: sum(worth[player] for player in range(PLAYERS) if each >> player & 1)
        for each in range(1 << PLAYERS)
    }
    shares = sampled(scores, orders(PLAYERS, 4, seed=0))
    assert shares.values == pytest.approx(worth)
    assert shares.errors == pytest.approx([0.0] * PLAYERS, abs=1e-12)
