"""Rollout and relevance against independent computations with whole matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from tests.transformer import GRID, INPUT, Explicit, Transformer
from tests.transformer import classifier as plain_classifier
from tests.unit.attribution import transformers
from torch import nn
from torch.nn import functional as F

from videovisual import explain
from videovisual.engine.attention import Attention
from videovisual.engine.engine import Engine, run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Probe
from videovisual.errors import UnsuitableMethod
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.preprocessing import PreparedClip
from videovisual.zoo import Classifier, InputSpec
from videovisual.zoo.adapter import AdaptedNetwork, Interface
from videovisual.zoo.layers import cam_layer

TARGET = 1
METHODS = ("attention_rollout", "attention_relevance")

Matrices = Sequence[torch.Tensor]
"""One [tokens, tokens] for each attention, over all tokens."""


def rollout(matrices: Matrices) -> torch.Tensor:
    """Abnar & Zuidema 2020, equation 1, with the whole product."""
    product = torch.eye(matrices[0].shape[1], dtype=torch.float64)
    for matrix in matrices:
        if matrix.shape[0] == 1:  # a query that is no token has no residual connection to them
            product = matrix.double() @ product
            continue
        own = matrix.double() + torch.eye(len(matrix), dtype=torch.float64)
        product = own / own.sum(dim=1, keepdim=True) @ product
    return product


def relevance(matrices: Matrices) -> torch.Tensor:
    """Chefer, Gur & Wolf 2021, equations 6 and 8 to 10, with the whole R."""
    identity = torch.eye(matrices[0].shape[1], dtype=torch.float64)
    total = identity
    for matrix in matrices:
        if matrix.shape[0] == 1:
            rest = total - identity
            return matrix.double() @ (rest / rest.sum(dim=1, keepdim=True) + identity)
        total = total + matrix.double() @ total
    return total - identity


def as_map(row: torch.Tensor, grid: tuple[int, int, int], clip: torch.Tensor) -> Any:
    coarse = row.view(1, 1, *grid)
    return F.interpolate(coarse, clip.shape[1:], mode="trilinear")[0, 0].numpy()


def assert_same(ours: Any, theirs: Any) -> None:
    """Equal to 1e-5 of the largest value, where the map is not the same everywhere."""
    assert theirs.max() > 1.001 * theirs.min()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


def relevant(weights: torch.Tensor) -> torch.Tensor:
    assert weights.grad is not None
    return (weights.grad * weights.detach()).clamp(min=0)


@pytest.fixture
def clip() -> torch.Tensor:
    return torch.randn(INPUT.shape)


@pytest.mark.parametrize("class_token", ["first", "last", None])
def test_a_network_in_plain_torch(clip: torch.Tensor, class_token: Any) -> None:
    model = plain_classifier(Transformer(class_token=class_token))
    explicit = Explicit()
    logits = Transformer(explicit, class_token)(clip[None].requires_grad_())
    logits[0, TARGET].backward()
    cells = slice(1, None) if class_token == "first" else slice(0, 48)
    for method, product, matrices in (
        ("attention_rollout", rollout, [each.detach() for each in explicit.weights]),
        ("attention_relevance", relevance, [relevant(each) for each in explicit.weights]),
    ):
        whole = product([each[0].mean(dim=0) for each in matrices])
        row = {"first": whole[0], "last": whole[-1], None: whole.mean(dim=0)}[class_token]
        ours = explain(model, clip.detach(), method, TARGET)
        assert_same(ours.map, as_map(row[cells], GRID, clip))
        assert ours.diagnostics["layers"] == 3
        assert ours.diagnostics["layer_shape"] == list(GRID)


def test_a_class_token_that_the_answer_is_not_read_from(clip: torch.Tensor) -> None:
    model = plain_classifier(Transformer(class_token="first", mean=True))
    explicit = Explicit()
    Transformer(explicit, "first", mean=True)(clip[None].requires_grad_())
    whole = rollout([each[0].detach().mean(dim=0) for each in explicit.weights])
    ours = explain(model, clip.detach(), "attention_rollout", TARGET)
    assert_same(ours.map, as_map(whole[1:].mean(dim=0)[1:], GRID, clip))


def blocks(weights: torch.Tensor, members: torch.Tensor, count: int) -> torch.Tensor:
    """The whole matrix [count, count] of weights [groups, queries, keys] among members."""
    whole = torch.zeros(count, count, dtype=torch.float64)
    for group, own in zip(weights, members, strict=True):
        for query, row in zip(own.tolist(), group, strict=True):
            whole[query, own] += row.double()
    return whole


def test_divided_attention_in_plain_torch(clip: torch.Tensor) -> None:
    model = plain_classifier(Transformer(divided=True))
    explicit = Explicit()
    Transformer(explicit, divided=True)(clip[None].requires_grad_())[0, TARGET].backward()
    order = torch.arange(48).view(4, 12)
    members = [order.T, order] * 3
    for method, product, matrices in (
        ("attention_rollout", rollout, [each.detach() for each in explicit.weights]),
        ("attention_relevance", relevance, [relevant(each) for each in explicit.weights]),
    ):
        pairs = zip(matrices, members, strict=True)
        whole = product([blocks(each.mean(dim=1), own, 48) for each, own in pairs])
        ours = explain(model, clip.detach(), method, TARGET)
        assert_same(ours.map, as_map(whole.mean(dim=0), GRID, clip))


class Attentions:
    """All attention weights of an eager network of the transformers library, in order."""

    def __init__(self, family: str, clip: torch.Tensor) -> None:
        network = transformers.build(family, attn_implementation="eager")
        self.weights: list[torch.Tensor] = []
        for name, module in network.named_modules():
            if self._attends(family, name):
                module.register_forward_hook(self._keep)
        logits = transformers.classifier(family).network  # the same weights
        clips = clip[None].transpose(1, 2).requires_grad_()
        argument = "pixel_values_videos" if family == "vjepa2" else "pixel_values"
        answer = network(**{argument: clips}, output_attentions=True)
        torch.testing.assert_close(answer.logits, logits(clip[None]))
        answer.logits[0, TARGET].backward()
        self.published = answer.attentions

    @staticmethod
    def _attends(family: str, name: str) -> bool:
        if family == "timesformer":  # whose temporal attention is not in `output_attentions`
            return name.endswith("attn_drop")
        if family.startswith("videomae"):
            return name.endswith("attention.attention")
        return name.endswith(("attention", "self_attn", "cross_attn"))

    def _keep(self, _module: nn.Module, _inputs: object, output: Any) -> None:
        weights = output if isinstance(output, torch.Tensor) else output[1]
        weights.retain_grad()
        self.weights.append(weights)


def divided(weights: torch.Tensor, *, shared: bool) -> torch.Tensor:
    """TimeSformer's attention [groups, queries, keys] over the class token and 16 × 8 tokens.

    Args:
        weights: along time, of 16 groups of 8, or within frames, of 8 groups of 1 + 16.
        shared: whether the class token's row is the mean over the frames, or the sum.
    """
    places = 1 + torch.arange(128).view(16, 8)
    if len(weights) == 16:
        return blocks(weights, places, 129)
    members = torch.cat([torch.zeros(8, 1, dtype=torch.int64), places.T], dim=1)
    whole = blocks(weights, members, 129)
    whole[0] /= 8 if shared else 1
    return whole


@pytest.mark.parametrize("family", transformers.FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_families_of_the_transformers_library(
    torchvision: ModuleType, family: str, method: str
) -> None:
    del torchvision
    clip = torch.randn(transformers.INPUT.shape, generator=torch.Generator().manual_seed(5))
    model = transformers.classifier(family)
    eager = Attentions(family, clip.clone())
    published = [weights for weights in eager.published if weights is not None]
    assert all(any(own is each for own in eager.weights) for each in published)
    mean = method == "attention_rollout"
    matrices = [each.detach() if mean else relevant(each) for each in eager.weights]
    grid = (4, 4, 4)
    if family == "timesformer":
        whole = [divided(each.mean(dim=1), shared=mean) for each in matrices]
        row = (rollout if mean else relevance)(whole)[0, 1:].view(16, 8).T
        grid = (8, 4, 4)
    else:
        row = (rollout if mean else relevance)([each[0].mean(dim=0) for each in matrices])
        first = {"vivit": row[0, 1:], "videomae-first-token": row[0]}
        row = first.get(family, row.mean(dim=0))
    ours = explain(model, clip, method, TARGET)
    assert_same(ours.map, as_map(row.reshape(-1), grid, clip))
    assert ours.diagnostics["layers"] == len(eager.weights)


def work(model: Classifier, method: str, clip: torch.Tensor) -> Any:
    return Explainer.of(model, method, {}).attribute(PreparedClip(clip, None, {}), TARGET)


@pytest.mark.parametrize("class_token", ["first", None])
@pytest.mark.parametrize("method", [*METHODS, "grad_cam"])
def test_an_exported_program_gives_the_same_maps(
    clip: torch.Tensor, class_token: Any, method: str
) -> None:
    model = plain_classifier(Transformer(class_token=class_token))
    program = torch.export.export(
        Transformer(class_token=class_token),
        (clip.expand(2, *clip.shape),),
        dynamic_shapes=({0: torch.export.Dim("n", min=1, max=64)},),
        strict=False,
    )
    network = AdaptedNetwork(torch.export.unflatten(program), Interface(), 3)
    assert cam_layer(network, clip) == model.card.cam_layer
    exported = Classifier(model.card, network, "exported")
    ours, theirs = (explain(each, clip, method, TARGET).map for each in (exported, model))
    assert theirs.max() > theirs.min()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_shared_passes_do_not_change_a_map(clip: torch.Tensor, method: str) -> None:
    model = plain_classifier(Transformer(class_token="first"))
    other = clip.flip(1)
    with Engine(ModelRunner(model.network, "cpu", batch=4)) as engine:
        jobs = [engine.submit(work(model, method, each)) for each in (clip, other)]
        together = [job.result(60).map for job in jobs]
    runner = ModelRunner(model.network, "cpu")
    alone = [run(runner, work(model, method, each)).map for each in (clip, other)]
    assert not np.allclose(*alone)
    for one, same in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-4, atol=1e-8)


def test_probes_in_pieces_and_in_one_pass_read_the_same(clip: torch.Tensor) -> None:
    model = plain_classifier(Transformer(divided=True))
    clips = torch.stack([clip, clip.flip(1), clip.flip(2)])
    for wanted in Attention:
        probe = Probe(clips, torch.tensor([0, 1, 2]), attention=wanted)
        one, pieces = (
            ModelRunner(model.network, "cpu", batch=batch).evaluate(probe) for batch in (3, 1)
        )
        assert one.attention is not None
        assert pieces.attention is not None
        assert one.tokens == pieces.tokens is not None
        for ours, theirs in zip(one.attention, pieces.attention, strict=True):
            assert len(ours) == 3
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_finite_repeatable_and_leaves_no_hook(
    clip: torch.Tensor, method: str, hooks: Callable[[nn.Module], int]
) -> None:
    model = plain_classifier(Transformer(class_token="first"))
    one, same = (explain(model, clip, method, TARGET) for _ in range(2))
    assert np.isfinite(one.map).all()
    assert one.map.min() >= 0
    np.testing.assert_array_equal(one.map, same.map)
    other = explain(model, clip, method, 2).map
    assert np.array_equal(one.map, other) == (method == "attention_rollout")
    assert hooks(model.network) == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_network_without_attention_is_refused(small: Classifier, method: str) -> None:
    with pytest.raises(UnsuitableMethod, match="The network has no attention") as caught:
        explain(small, torch.zeros(3, 16, 64, 64), method)
    assert caught.value.detail == {"parameter": "method"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "spec", "grid"),
    [
        ("mvit_v2_s", InputSpec(frames=16, size=224), [8, 7, 7]),
        ("swin3d_t", InputSpec(frames=8, size=64), [4, 2, 2]),
    ],
    ids=["mvit_v2_s", "swin3d_t"],
)
def test_pooled_and_windowed_attention(
    torchvision: ModuleType, name: str, spec: InputSpec, grid: list[int]
) -> None:
    """Grad-CAM works on both; attention can't be followed."""
    network = getattr(torchvision.models.video, name)(num_classes=3)
    model = Classifier.from_module(network, ["a", "b", "c"], spec)
    clip = torch.randn(spec.shape)
    saliency = explain(model, clip, "grad_cam", TARGET)
    assert saliency.diagnostics["layer_shape"] == grid
    for method in METHODS:
        with pytest.raises(UnsuitableMethod, match=r"pooled tokens \(MViT\)|can't be told"):
            explain(model, clip, method, TARGET)
