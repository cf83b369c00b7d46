import dataclasses

import pytest
import torch
from torch.nn import functional as F

from videovisual import zoo
from videovisual.zoo import videomae


def small():
    torch.manual_seed(0)
    return videomae.VideoTransformer(3, 12, 2, 2, (2, 4, 4)).eval()


@torch.inference_mode()
def test_a_block_is_attention_among_all_tokens_and_a_perceptron():
    block = small().blocks[1]
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    tokens = torch.randn(2, 10, 12)
    normed = F.layer_norm(tokens, [12], block.norm1.weight, block.norm1.bias)
    mixed = torch.zeros(2, 10, 12)
    for head in range(2):
        part = slice(6 * head, 6 * head + 6)
        query, key, value = block.attn.qkv(normed).split(12, dim=-1)
        weights = query[..., part] @ key[..., part].transpose(1, 2) / 6**0.5
        mixed[..., part] = weights.exp() / weights.exp().sum(-1, keepdim=True) @ value[..., part]
    tokens_after = tokens + block.attn.proj(mixed)
    normed = F.layer_norm(tokens_after, [12], block.norm2.weight, block.norm2.bias)
    hidden = block.mlp[0](normed)
    hidden = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
    wanted = tokens_after + block.mlp[2](hidden)
    torch.testing.assert_close(block(tokens), wanted, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_token_is_a_tubelet_and_all_tokens_count_alike():
    network = small()
    network.blocks = torch.nn.Identity()
    clips = torch.randn(2, 3, 4, 8, 12)
    weight = network.patch_embed.weight.flatten(1)
    tokens = []
    for frame in (0, 2):
        for row in (0, 4):
            for column in (0, 4, 8):
                tubelet = clips[:, :, frame : frame + 2, row : row + 4, column : column + 4]
                tokens.append(tubelet.flatten(1) @ weight.T)
    features = torch.stack(tokens, dim=1) + videomae.positions((2, 2, 3), tokens[0])
    wanted = network.fc(network.norm(features).mean(dim=1))
    torch.testing.assert_close(network(clips), wanted)


def test_positions_tell_every_cell_apart_and_say_which_are_neighbours():
    like = torch.empty(0, 96)
    places = videomae.positions((8, 8, 8), like)
    assert places.shape == (512, 96)
    distances = torch.cdist(places, places) + 10 * torch.eye(512)
    assert distances.min() > 0.1
    cells = torch.cartesian_prod(*[torch.arange(8)] * 3)
    steps = (cells[:, None] - cells).abs()
    one_step = steps.sum(-1) == 1
    # The distance of two cells is the same wherever they are.
    assert distances[one_step].std() < 1e-5
    assert (distances[one_step].mean() < distances[steps.amax(-1) > 1]).all()
    # A smaller clip has the positions of a larger one's corner.
    inside = (cells < torch.tensor([4, 4, 6])).all(dim=1)
    torch.testing.assert_close(videomae.positions((4, 4, 6), like), places[inside])


@torch.inference_mode()
@pytest.mark.parametrize("shape", [(8, 16, 16), (16, 32, 48)])
def test_the_order_of_frames_matters_and_clips_are_independent(shape):
    network = small()
    clips = torch.randn(2, 3, *shape)
    together = network(clips)
    torch.testing.assert_close(together, torch.cat([network(clip[None]) for clip in clips]))
    assert not torch.allclose(together, network(clips.flip(2)), atol=1e-5)


def test_sizes_that_a_card_does_not_give_are_the_published_ones():
    card = dataclasses.replace(zoo.card("videomae-motion"), options={})
    with torch.device("meta"):
        network = zoo.build(card)
    assert network.patch_embed.weight.shape == (768, 3, 2, 16, 16)
    assert len(network.blocks) == 12
    # ViT-B has 86 million: https://arxiv.org/abs/2203.12602, table 6.
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(86e6, rel=0.02)


@torch.inference_mode()
def test_a_stem_makes_the_same_tokens_of_overlapping_surroundings():
    torch.manual_seed(0)
    plain, stem = (
        videomae.VideoTransformer(3, 12, 2, 2, (2, 8, 8), stem=channels).eval().patch_embed
        for channels in ((), (4, 6))
    )
    clip = torch.randn(1, 3, 8, 32, 48)
    assert stem(clip).shape == plain(clip).shape == (1, 12, 4, 4, 6)
    changed = clip.clone()
    changed[:, :, 2, 8:16, 15] += 1  # the last column of a tubelet
    for embed, frames, columns in ((plain, 1, 1), (stem, 3, 2)):
        differs = (embed(changed) - embed(clip)).abs().amax(dim=(0, 1, 3)) > 1e-6
        assert differs.any(dim=1).sum() == frames
        assert differs.any(dim=0).sum() == columns
