import pytest

from videovisual import zoo
from videovisual.errors import UnknownModel
from videovisual.names import MODELS
from videovisual.zoo.registry import FAMILIES, PAPERS


def test_the_client_s_names_are_those_of_the_cards():
    assert tuple(zoo.cards()) == MODELS


def test_every_family_has_a_paper():
    assert set(PAPERS) == set(FAMILIES) == {card.family for card in zoo.cards().values()}


def test_an_unknown_name_lists_the_nearest_ones():
    with pytest.raises(UnknownModel, match=r"Nearest: tsm-kinetics400, .*Known: i3d-kinetics400,"):
        zoo.card("tsm-kinetics-400")
    with pytest.raises(UnknownModel) as refused:
        zoo.load("R2plus1D-kinetics400")
    assert refused.value.detail["nearest"][0] == "r2plus1d-kinetics400"


def test_every_card_is_complete():
    for card in zoo.cards().values():
        network = zoo.build(card)
        assert network.get_submodule(card.cam_layer)
        # Hooks read activations after the forward pass, so no layer may overwrite its input.
        assert not any(getattr(module, "inplace", False) for module in network.modules())
        assert card.weights.source
        assert card.weights.licence
        assert card.accuracy
        assert card.input.min_frames <= card.input.frames <= card.input.max_frames
        assert card.input.frames % card.input.frame_multiple == 0
        assert zoo.ModelCard.from_json(card.to_json()) == card


def test_the_published_accuracies_are_those_of_the_papers():
    published = {
        "i3d-kinetics400": ("71.1", "89.3"),
        "r3d-kinetics400": ("63.2", "83.5"),
        "mc3-kinetics400": ("63.96", "84.13"),
        "r2plus1d-kinetics400": ("67.46", "86.18"),
        "tsm-kinetics400": ("74.1",),
        "tsm-epic55-verb": ("57.9",),
        "tsm-epic55-noun": ("40.8",),
    }
    for name, values in published.items():
        assert all(value in zoo.card(name).accuracy for value in values)


def test_views_are_averaged_as_in_the_authors_evaluation():
    averages = {
        card.family: card.view_average for card in zoo.cards().values() if "400" in card.name
    }
    assert averages == {
        "i3d": "logits",
        "r3d": "probabilities",
        "mc3": "probabilities",
        "r2plus1d": "probabilities",
        "tsm": "logits",
    }


def test_how_weights_are_verified():
    found = {card.name: card.weights.verified for card in zoo.cards().values()}
    own = {name for name, how in found.items() if how == "published"}
    assert own == {"i3d-kinetics400", *(name for name in found if name.endswith("-motion"))}
