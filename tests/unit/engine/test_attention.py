"""Attention is read out of a network, however the network computes it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from tests.transformer import WAYS, Attend, Explicit, Transformer
from torch import nn
from torch.nn import functional as F

from videovisual.engine.attention import Attention, AttentionReader, Call, read_attention


def first(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 0]


@pytest.fixture
def clips() -> torch.Tensor:
    return torch.randn(2, 3, 8, 24, 32)


@pytest.mark.parametrize("way", WAYS)
def test_weights_and_relevance_are_those_of_an_explicit_computation(
    clips: torch.Tensor, way: str
) -> None:
    network, explicit = Transformer(WAYS[way]), Explicit()
    first(Transformer(explicit)(clips.clone().requires_grad_())).sum().backward()

    logits, weights = read_attention(network, clips, Attention.WEIGHTS, first)
    with torch.inference_mode():
        assert torch.equal(logits, network(clips))
    assert len(weights) == len(explicit.weights) == 3
    for ours, theirs in zip(weights, explicit.weights, strict=True):
        torch.testing.assert_close(ours[:, 0], theirs.detach().mean(dim=1), rtol=1e-5, atol=1e-6)

    logits, relevance = read_attention(network, clips, Attention.RELEVANCE, first)
    assert torch.equal(logits, network(clips))
    for ours, theirs in zip(relevance, explicit.weights, strict=True):
        assert theirs.grad is not None
        expected = (theirs.detach() * theirs.grad).clamp(min=0).mean(dim=1)
        assert expected.max() > 0
        torch.testing.assert_close(
            ours[:, 0], expected, rtol=1e-4, atol=1e-5 * float(expected.max())
        )


def read(attend: Attend, *tensors: torch.Tensor, **options: Any) -> torch.Tensor:
    """The weights of the only attention in a call."""
    calls: list[Call] = []
    with AttentionReader(calls.append):
        attend(*tensors, **options)
    (call,) = calls
    return call.weights()


def test_masks_scales_and_shared_keys_are_as_in_torch() -> None:
    query, key, value = torch.randn(3, 2, 4, 5, 6).unbind()
    # Values of an identity give back the weights.
    identity = torch.eye(5).expand(2, 4, 5, 5)
    options: list[dict[str, Any]] = [
        {},
        {"scale": 0.3},
        {"is_causal": True},
        {"attn_mask": torch.randn(5, 5)},
        {"attn_mask": torch.rand(5, 5) < 0.7},
    ]
    for each in options:
        expected = F.scaled_dot_product_attention(query, key, identity, **each)
        ours = read(F.scaled_dot_product_attention, query, key, value, **each)
        torch.testing.assert_close(ours, expected)
    few, shared = key[:, :2], identity[:, :2]
    expected = F.scaled_dot_product_attention(query, few, shared, enable_gqa=True)
    ours = read(F.scaled_dot_product_attention, query, few, few, enable_gqa=True)
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("needed", [True, False])
@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("gradient", [True, False])
def test_multi_head_attention_gives_its_weights_and_answers_as_before(
    needed: bool, averaged: bool, gradient: bool
) -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval().requires_grad_(False)
    tokens = torch.randn(3, 5, 8, requires_grad=gradient)
    options = {"need_weights": needed, "average_attn_weights": averaged}
    with torch.set_grad_enabled(gradient):
        answer, weights = layer(tokens, tokens, tokens, **options)
        calls: list[Call] = []
        with AttentionReader(calls.append):
            again, same = layer(tokens, tokens, tokens, **options)
    torch.testing.assert_close(again, answer)
    assert (same is None) == (weights is None)
    if weights is not None:
        torch.testing.assert_close(same, weights)
    _, every = layer(tokens, tokens, tokens, average_attn_weights=False)
    torch.testing.assert_close(calls[0].weights(), every.detach())
    assert calls[0].point.requires_grad == gradient


def test_an_encoder_layers_fast_path_is_read_too() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, batch_first=True).eval().requires_grad_(False)
    tokens = torch.randn(3, 5, 8)
    with torch.inference_mode():
        weights = read(layer, tokens)
    assert weights.shape == (3, 2, 5, 5)


def test_a_softmax_that_multiplies_nothing_is_no_attention() -> None:
    values = torch.randn(2, 4, 5, 6)
    calls: list[Call] = []
    with AttentionReader(calls.append):
        gate = values.softmax(dim=-1)
        (gate * values).sum()
        values @ values.transpose(-2, -1)
        values.softmax(dim=1) @ values.transpose(-2, -1)
    assert calls == []


def test_other_threads_are_not_read(clips: torch.Tensor) -> None:
    network = Transformer()
    calls: list[Call] = []
    with AttentionReader(calls.append):
        other = threading.Thread(target=network, args=(clips,))
        other.start()
        other.join()
        assert calls == []
        network(clips)
    assert len(calls) == 3
    network(clips)
    assert len(calls) == 3


def test_attention_that_the_objective_does_not_depend_on_has_no_relevance() -> None:
    class Aside(Transformer):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            tokens = self.patches(clips).flatten(2).transpose(1, 2)
            self.blocks(tokens)
            logits: torch.Tensor = self.head(tokens.mean(dim=1))
            return logits

    _, relevance = read_attention(Aside(), torch.randn(1, 3, 8, 24, 32), Attention.RELEVANCE, first)
    assert len(relevance) == 3
    assert not any(layer.any() for layer in relevance)
