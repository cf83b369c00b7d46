"""The part of a checkpoint's entries that is a network: without prefixes, and other networks."""

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping

import torch

from videovisual.errors import WeightsError
from videovisual.zoo.layout import unwrapped, used

Entries = Mapping[str, torch.Tensor]

_log = logging.getLogger(__name__)

DEPTH = 4
"""The most names before those of the network's own entries."""

AVERAGED = re.compile(r"(.*[._])?(ema|shadow|averaged)([._].*)?")
"""Names of moving averages of a network's weights, which trainings evaluate."""


def chosen(networks: Mapping[str, Entries]) -> Entries:
    """One of a checkpoint's networks by name: the only one, or the moving average.

    An average of the parameters alone takes the other entries from the network that it averages.

    Raises:
        WeightsError: there are several with other values, and not one moving average.
    """
    (name, first), *others = networks.items()
    if all(_equal(first, other) for _, other in others):
        return first
    averages = [each for each in networks if AVERAGED.fullmatch(each.lower().rstrip("."))]
    if len(averages) != 1:
        names = [each.rstrip(".") for each in networks]
        raise WeightsError(
            f"The checkpoint holds several networks: {', '.join(names)}. Save the one that you "
            "want alone, as a `state_dict()`.",
            entries=names,
        )
    name = averages[0]
    _log.warning(
        "Of the checkpoint's networks (%s) the moving average is taken: %s.",
        ", ".join(each.rstrip(".") for each in networks),
        name.rstrip("."),
    )
    average = networks[name]
    whole = next((each for each in networks.values() if average.keys() < each.keys()), {})
    return {**whole, **average}


def own_part(
    state: Entries, fits: Callable[[Entries], bool], fewest: int = 1
) -> dict[str, torch.Tensor]:
    """The entries of a network in a checkpoint that may have prefixes and other entries.

    Args:
        state: of the checkpoint.
        fits: whether entries are those of the network.
        fewest: how many it has.

    Returns:
        The entries that fit, without their prefix: all of them, or those of one attribute of the
        object that was saved. Where none fit, all without their common prefixes.

    Raises:
        WeightsError: several parts fit, with other values, and not one is a moving average.
    """
    level: dict[str, Entries] = {"": used(state)}
    for _ in range(DEPTH + 1):
        fitting = {
            name: entries
            for name, entries in level.items()
            if len(entries) >= fewest and fits(entries)
        }
        if fitting:
            return dict(chosen(fitting))
        level = {
            f"{name}{attribute}": entries
            for name, held in level.items()
            for attribute, entries in _attributes(held)
        }
    return unwrapped(state)


def part_of(own: Collection[str], state: Entries) -> dict[str, torch.Tensor]:
    """The entries of a network with the keys `own`; as `own_part`."""
    needed = {key for key in own if not key.endswith("num_batches_tracked")}
    return own_part(state, lambda entries: needed <= entries.keys(), len(needed))


def _attributes(state: Entries) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """The entries of each attribute, by `NAME.`."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in state.items():
        name, dot, rest = key.partition(".")
        if dot:
            found.setdefault(f"{name}.", {})[rest] = tensor
    yield from found.items()


def _equal(one: Entries, other: Entries) -> bool:
    return one.keys() == other.keys() and all(
        isinstance(value, torch.Tensor)
        and isinstance(other[key], torch.Tensor)
        and torch.equal(value, other[key])
        for key, value in one.items()
    )
