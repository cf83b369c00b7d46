import dataclasses

import pytest
import torch
from tests.unit.zoo.layouts import tsm_authors

from videovisual import zoo
from videovisual.errors import WeightsError
from videovisual.zoo import layout, tsm

CARDS = {card.name: card for card in tsm.CARDS}
PUBLISHED = {
    "tsm-kinetics400": ("tsm_kinetics400", "tsm-kinetics", "logits"),
    "tsm-epic55-verb": ("tsm_epic55", "tsm-epic", "verb"),
    "tsm-epic55-noun": ("tsm_epic55", "tsm-epic", "noun"),
}


def small_card(**changes):
    options = {"width": 8, "blocks": (1, 1, 1, 1)}
    return dataclasses.replace(
        CARDS["tsm-kinetics400"], options=options, labels=("a", "b"), **changes
    )


def small():
    torch.manual_seed(0)
    return tsm.build(small_card()).eval()


@torch.inference_mode()
@pytest.mark.parametrize("name", PUBLISHED)
def test_logits_equal_those_of_the_authors_code(reference, name):
    files, clip, entry = PUBLISHED[name]
    card = CARDS[name]
    network = tsm.build(card).eval()
    layout.fit(network, zoo.adapt(card, reference.state(files)))
    wanted = torch.from_numpy(reference.logits(files, entry))
    actual = network(reference.clip(clip, (2, 3, 8, 64, 64)))
    assert (actual - wanted).abs().max() < 1e-4 * wanted.std()


@torch.inference_mode()
def test_a_one_frame_clip_equals_a_resnet_without_the_shifted_channels(torchvision):
    """A quarter of each branch's channels is zero; the rest equals torchvision's ResNet."""
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(num_classes=400).eval()
    state = {
        key: tensor.unsqueeze(2) if tensor.ndim == 4 else tensor
        for key, tensor in theirs.state_dict().items()
    }
    card = CARDS["tsm-kinetics400"]
    ours = layout.fit(tsm.build(card), zoo.adapt(card, state)).eval()
    for name, module in theirs.named_modules():
        if name.startswith("layer") and name.endswith(".conv1"):
            module.weight[:, : module.in_channels // 4] = 0
    pictures = torch.randn(2, 3, 64, 64)
    wanted = theirs(pictures)
    actual = ours(pictures.unsqueeze(2))
    assert (actual - wanted).abs().max() < 1e-4 * wanted.std()


def test_an_eighth_is_shifted_in_each_direction():
    clips = torch.arange(1.0, 4.0).view(1, 1, 3, 1, 1).expand(1, 16, 3, 1, 1)
    shifted = tsm.TemporalShift()(clips)[0, :, :, 0, 0].tolist()
    assert shifted[:2] == [[2, 3, 0]] * 2
    assert shifted[2:4] == [[0, 1, 2]] * 2
    assert shifted[4:] == [[1, 2, 3]] * 12


def test_a_single_frame_has_zeros_in_the_shifted_channels():
    shifted = tsm.TemporalShift()(torch.ones(1, 8, 1, 2, 2))
    assert shifted[0, :, 0, 0, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]


@torch.inference_mode()
def test_the_order_of_frames_matters_and_clips_are_independent():
    network = small()
    clips = torch.randn(2, 3, 4, 64, 64)
    together = network(clips)
    alone = torch.cat([network(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone)
    assert not torch.allclose(together, network(clips.flip(2)), atol=1e-4)


@torch.inference_mode()
def test_the_activations_of_a_layer_are_a_video():
    network, shapes = small(), []
    network.layer4.register_forward_hook(lambda _m, _i, output: shapes.append(output.shape))
    network(torch.randn(2, 3, 5, 64, 96))
    assert shapes == [(2, 256, 5, 2, 3)]


def test_the_card_chooses_the_head():
    state = tsm_authors(small(), heads=("fc_verb", "fc_noun"))
    state["module.fc_noun.bias"] = torch.tensor([5.0, 7.0])
    card = small_card()
    card = dataclasses.replace(card, options={**card.options, "head": "fc_noun"})
    assert zoo.adapt(card, state)["fc.bias"].tolist() == [5, 7]
    layout.fit(tsm.build(card), zoo.adapt(card, state))


def test_another_models_head_is_named():
    state = tsm_authors(small(), heads=("fc_verb", "fc_noun"))
    with pytest.raises(WeightsError, match=r"no head 'new_fc'.*it has: fc_verb, fc_noun"):
        zoo.adapt(small_card(), state)


def test_the_cards_have_the_authors_input():
    for card in tsm.CARDS:
        assert (card.input.frames, card.input.resize, card.input.size) == (8, 256, 224)
    assert CARDS["tsm-kinetics400"].input.fps == 3.75
    assert CARDS["tsm-epic55-noun"].input.fps is None
    assert [len(card.labels) for card in tsm.CARDS] == [400, 125, 352]
