"""The classifiers by name, and the module that builds each family."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from videovisual.errors import UnknownModel, WeightsError
from videovisual.names import default_store, own_models
from videovisual.utils.suggest import did_you_mean, nearest
from videovisual.utils.text import shown
from videovisual.zoo import i3d, motion, resnet3d, swin3d, tsm, videomae
from videovisual.zoo.archived import find_archive, read_archive
from videovisual.zoo.card import ModelCard
from videovisual.zoo.layout import check_tensors
from videovisual.zoo.onnx_model import ONNX
from videovisual.zoo.parts import own_part

StateDict = Mapping[str, torch.Tensor]

FAMILIES: Mapping[str, ModuleType] = {
    "i3d": i3d,
    "r3d": resnet3d,
    "mc3": resnet3d,
    "r2plus1d": resnet3d,
    "tsm": tsm,
    "videomae": videomae,
    "swin3d": swin3d,
}
"""A family module has `build(card) -> nn.Module`, and `adapt(card, state) -> state`, which converts
a checkpoint's entries from any published layout to the layout of that network."""

PROGRAM = "program"
"""The family of exported programs, which are read with their weights."""

_TRAN = "Tran et al., CVPR 2018, [1711.11248](https://arxiv.org/abs/1711.11248)"
PAPERS: Mapping[str, str] = {
    "i3d": "Carreira & Zisserman, CVPR 2017, [1705.07750](https://arxiv.org/abs/1705.07750)",
    "r3d": _TRAN,
    "mc3": _TRAN,
    "r2plus1d": _TRAN,
    "tsm": "Lin et al., ICCV 2019, [1811.08383](https://arxiv.org/abs/1811.08383)",
    "videomae": "Tong et al., NeurIPS 2022, [2203.12602](https://arxiv.org/abs/2203.12602)",
    "swin3d": "Liu et al., CVPR 2022, [2106.13230](https://arxiv.org/abs/2106.13230)",
}
"""The paper of each family's network, as Markdown."""


@cache
def cards() -> Mapping[str, ModelCard]:
    """All cards by name, in the order of the documentation."""
    known = (*i3d.CARDS, *resnet3d.CARDS, *tsm.CARDS, *motion.CARDS)
    return {card.name: card for card in known}


def card(name: str, store: Path | None = None) -> ModelCard:
    """The card of the model `name`.

    Args:
        name: one of `cards()`, or the name or `.mar` file of an archive of the user's own.
        store: the folder of those archives, `names.default_store()` unless given.

    Raises:
        UnknownModel: there is no such model; the message lists the nearest names.
        WeightsError: the archive is damaged.
    """
    if name in cards():
        return cards()[name]
    archive = find_archive(name, store)
    if archive is not None:
        return read_archive(archive).card
    known = [*cards(), *own_models(store)]
    raise UnknownModel(
        f"There is no model {shown(name)!r}.{did_you_mean(name, known)} Known: "
        f"{', '.join(known)}. Models of your own are archives in {store or default_store()}.",
        model=shown(name),
        nearest=nearest(name, known),
        known=known,
    )


def build(card: ModelCard) -> nn.Module:
    """The card's network with random weights."""
    network: nn.Module = _family(card).build(card)
    return network


def adapt(card: ModelCard, state: StateDict) -> dict[str, torch.Tensor]:
    """Convert a published checkpoint's entries to those of the card's network.

    Prefixes such as `module.`, and entries of other networks or of none are left out.

    Raises:
        WeightsError: the keys are in no published layout of the family, or an entry is not a dense
            tensor of real numbers.
    """
    check_tensors(state)
    family = _family(card)
    with torch.device("meta"):
        own = {key for key in build(card).state_dict() if not key.endswith("num_batches_tracked")}

    def fits(entries: StateDict) -> bool:
        try:
            return own <= set(family.adapt(card, entries))
        except WeightsError:
            return False

    adapted: dict[str, torch.Tensor] = family.adapt(card, own_part(state, fits))
    return adapted


def refused_weights(card: ModelCard) -> WeightsError:
    """The error where a program or an ONNX model is given other weights or labels than its own."""
    kind, way = ("ONNX model", "onnx") if card.family == ONNX else ("exported program", "module")
    return WeightsError(
        f"{card.name} is an {kind}, which has its own weights and labels. Load others into the "
        f"network itself, and archive that: `Classifier.from_{way}(…).archive(…)`.",
        model=card.name,
    )


def _family(card: ModelCard) -> ModuleType:
    if card.family in (PROGRAM, ONNX):
        raise refused_weights(card)
    return FAMILIES[card.family]
