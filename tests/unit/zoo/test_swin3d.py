import dataclasses
import itertools

import pytest
import torch

from videovisual import zoo
from videovisual.zoo import layout, swin3d

OPTIONS = {"blocks": (2, 2), "heads": (2, 4), "patch": (2, 4, 4), "window": (2, 3, 4)}
RENAMED = {
    "patch_embed.proj": "patch_embed",
    "patch_embed.norm": "embed_norm",
    "mlp.3": "mlp.2",
    "head": "fc",
    "relative_position_bias_table": "relative",
}


def of_torchvision(state):
    """The entries of torchvision's network in our layout."""
    converted = {}
    for key, tensor in state.items():
        name = key
        for theirs, ours in RENAMED.items():
            name = name.replace(theirs, ours)
        if not name.endswith("relative_position_index"):
            relative = name.endswith("relative")
            converted[name] = tensor.T.reshape(-1, 3, 5, 7) if relative else tensor
    return converted


@torch.inference_mode()
@pytest.mark.parametrize("size", [(8, 48, 64), (4, 24, 32), (8, 24, 32)])
def test_logits_equal_torchvisions(torchvision, size):
    """Of clips that whole windows cover: torchvision's tokens attend to the padding too."""
    theirs = torchvision.models.video.SwinTransformer3d([2, 4, 4], 12, [2, 2], [2, 4], [2, 3, 4])
    for parameter in theirs.eval().parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours = swin3d.VideoSwin(400, width=12, **OPTIONS).eval()
    layout.fit(ours, of_torchvision(theirs.state_dict()))
    clips = torch.randn(2, 3, *size)
    wanted = theirs(clips)
    assert (ours(clips) - wanted).abs().max() < 1e-4 * wanted.std()


def attention(shifted):
    made = swin3d.WindowAttention(8, 2, (2, 3, 4), shifted).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


def one_by_one(attend, cells):
    """The same attention from the definition, with a bias or minus infinity for each pair."""
    grid = cells.shape[1:4]
    window = [min(pair) for pair in zip(grid, attend.window, strict=True)]
    shift = [
        side // 2 if attend.shifted and side < size else 0
        for side, size in zip(window, grid, strict=True)
    ]
    places = list(itertools.product(*map(range, grid)))
    homes = [
        [(at - step) // side for at, step, side in zip(place, shift, window, strict=True)]
        for place in places
    ]
    query, key, value = (
        part.unflatten(-1, (2, -1)).transpose(1, 2)
        for part in attend.qkv(cells.flatten(1, 3)).chunk(3, dim=-1)
    )
    logits = query @ key.transpose(2, 3) / 2
    for one, other in itertools.product(range(len(places)), repeat=2):
        steps = [
            a - b + size - 1
            for a, b, size in zip(places[one], places[other], attend.window, strict=True)
        ]
        together = homes[one] == homes[other]
        bias = attend.relative[(slice(None), *steps)] if together else torch.tensor(-torch.inf)
        logits[:, :, one, other] += bias
    mixed = (logits.softmax(-1) @ value).transpose(1, 2).flatten(2)
    return attend.proj(mixed).view_as(cells)


@torch.inference_mode()
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("grid", [(4, 6, 8), (3, 4, 5), (1, 2, 9), (2, 3, 4)])
def test_tokens_attend_within_their_window_whatever_the_size_of_the_clip(grid, shifted):
    attend = attention(shifted)
    cells = torch.randn(2, *grid, 8)
    torch.testing.assert_close(attend(cells), one_by_one(attend, cells), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_merging_pads_odd_sides_with_zeros():
    merge = swin3d.PatchMerging(4).eval()
    cells = torch.randn(2, 3, 5, 7, 4)
    whole = torch.zeros(2, 3, 6, 8, 4)
    whole[:, :, :5, :7] = cells
    assert merge(cells).shape == (2, 3, 3, 4, 8)
    torch.testing.assert_close(merge(cells), merge(whole))


@torch.inference_mode()
def test_the_order_of_frames_matters_and_clips_are_independent():
    network = swin3d.VideoSwin(5, width=12, **OPTIONS).eval()
    clips = torch.randn(2, 3, 8, 32, 48)
    together = network(clips)
    torch.testing.assert_close(together, torch.cat([network(clip[None]) for clip in clips]))
    assert not torch.allclose(together, network(clips.flip(2)), atol=1e-5)


def test_sizes_that_a_card_does_not_give_are_the_published_ones():
    card = dataclasses.replace(zoo.card("swin3d-motion"), options={})
    with torch.device("meta"):
        network = zoo.build(card)
    # Swin-T has 28.2 million: https://arxiv.org/abs/2106.13230, table 1.
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(28.2e6, rel=0.02)
