"""A folded network computes the same, and only batch norms that can be folded are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import nn

from videovisual import zoo
from videovisual.engine.attention import attention_bytes
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.batchnorm_folding import find_pairs, fold
from videovisual.engine.optimise.network import optimised
from videovisual.engine.probe import Objective, Probe, Reading
from videovisual.zoo import Classifier


def randomised(norm: nn.BatchNorm3d) -> nn.BatchNorm3d:
    """A batch norm that is not the identity."""
    generator = torch.Generator().manual_seed(norm.num_features)
    for tensor in norm.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return norm


OTHER_READERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "added": lambda output: output,
    "detached": lambda output: output.detach(),
    "concatenated": lambda output: torch.cat([output, output])[: len(output)],
    "compared": lambda output: (output > 0).float(),
    "by_keyword": lambda output: torch.mul(input=output, other=2),
}
"""Functions that read a convolution's output beside its batch norm."""


class Crossed(nn.Module):
    """Convolutions of which only `plain`, `biased` and `bare` can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv3d(3, 4, 3, padding=1, bias=False)
        self.plain_norm = randomised(nn.BatchNorm3d(4))
        self.biased = nn.Conv3d(4, 4, 1)
        self.biased_norm = randomised(nn.BatchNorm3d(4, eps=0.1))
        self.bare = nn.Conv3d(4, 4, 1)
        self.bare_norm = randomised(nn.BatchNorm3d(4, affine=False))
        for name in OTHER_READERS:
            self.add_module(name, nn.Conv3d(4, 4, 1))
            self.add_module(f"{name}_norm", randomised(nn.BatchNorm3d(4)))
        self.forked = nn.Conv3d(4, 4, 1)
        self.left_norm = randomised(nn.BatchNorm3d(4))
        self.right_norm = randomised(nn.BatchNorm3d(4))
        self.run_twice = nn.Conv3d(4, 4, 1)
        self.first_norm = randomised(nn.BatchNorm3d(4))
        self.shared_norm = randomised(nn.BatchNorm3d(4))
        self.own = nn.Conv3d(4, 4, 1)
        self.of_the_batch = nn.Conv3d(4, 4, 1)
        self.batch_norm = nn.BatchNorm3d(4, track_running_stats=False)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        x = self.plain_norm(self.plain(clips)).relu()
        x = self.bare_norm(self.bare(self.biased_norm(self.biased(x)).relu()))
        for name, read in OTHER_READERS.items():
            output = self.get_submodule(name)(x)
            x = self.get_submodule(f"{name}_norm")(output) + read(output)
        forked = self.forked(x)
        x = self.left_norm(forked) + self.right_norm(forked)
        x = self.shared_norm(self.run_twice(self.first_norm(self.run_twice(x))))
        x = self.shared_norm(self.own(x))
        return self.batch_norm(self.of_the_batch(x)).mean(dim=(2, 3, 4))


@pytest.fixture(params=[name for name in zoo.cards() if name.endswith("-motion")])
def motion_model(request: pytest.FixtureRequest) -> Classifier:
    return zoo.load(request.param)


@pytest.fixture
def crossed() -> nn.Module:
    torch.manual_seed(0)
    return Crossed().eval().requires_grad_(False)


def gradient(network: nn.Module, clips: torch.Tensor) -> torch.Tensor:
    leaf = clips.clone().requires_grad_()
    found: torch.Tensor = torch.autograd.grad(network(leaf)[:, 1].sum(), leaf)[0]
    return found


def test_only_outputs_with_one_reader_are_folded(crossed: nn.Module) -> None:
    assert find_pairs(crossed, torch.randn(1, 3, 4, 8, 8)) == {
        "plain": "plain_norm",
        "biased": "biased_norm",
        "bare": "bare_norm",
    }
    assert not any(module._forward_hooks for module in crossed.modules())


def test_outputs_and_gradients_equal_the_networks(crossed: nn.Module) -> None:
    clips = torch.randn(2, 3, 4, 8, 8)
    folded = fold(crossed, clips[:1]).network
    assert sum(isinstance(module, nn.Identity) for module in folded.modules()) == 3
    torch.testing.assert_close(folded(clips), crossed(clips), rtol=1e-4, atol=1e-4)
    slopes = (gradient(each, clips) for each in (folded, crossed))
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-6)


def test_a_module_of_two_names_is_folded_once() -> None:
    network = nn.ModuleDict({"conv": nn.Conv3d(3, 4, 1), "norm": randomised(nn.BatchNorm3d(4))})
    network["same"] = network["conv"]

    class Aliased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = network

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self.parts["norm"](self.parts["same"](clips))
            return features.mean(dim=(2, 3, 4))

    aliased = Aliased().eval().requires_grad_(False)
    clips = torch.randn(1, 3, 4, 8, 8)
    torch.testing.assert_close(fold(aliased, clips).network(clips), aliased(clips))


def test_every_batch_norm_of_a_model_is_folded(motion_model: Classifier) -> None:
    network = motion_model.network
    spec = motion_model.card.input
    clip = torch.randn(1, 3, 8, spec.height, spec.width)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    assert len(find_pairs(network, clip)) == len(norms)


def test_networks_of_convolutions_are_the_same_for_few_frames(motion_model: Classifier) -> None:
    if (fewest := motion_model.fewest_frames) is None:
        pytest.skip("warmed up with its own frames")
    clip = torch.zeros(1, *motion_model.card.input.shape)
    network = motion_model.network
    assert find_pairs(network, clip[:, :, :fewest]) == find_pairs(network, clip)
    assert attention_bytes(network, clip[0]) == motion_model.attention_bytes == 0


def test_folded_gradients_equal_exact_ones_up_to_rounding(motion_model: Classifier) -> None:
    spec = motion_model.card.input
    runner = ModelRunner(motion_model.network, "cpu")
    clip = torch.randn(1, 3, 8, spec.height, spec.width)
    target = torch.tensor([2])
    exact, folded = (
        runner.evaluate(Probe(clip, target, Objective.LOG_PROBABILITY, gradient=True, folded=each))
        for each in (False, True)
    )
    assert exact.gradient is not None
    assert folded.gradient is not None
    torch.testing.assert_close(folded.logits, exact.logits, rtol=1e-4, atol=1e-4)
    off = (folded.gradient - exact.gradient).norm() / exact.gradient.norm()
    assert 0 < off < 0.1


def test_a_folded_network_can_be_differentiated_after_inference(crossed: nn.Module) -> None:
    clips = torch.randn(1, 3, 4, 8, 8)
    with torch.inference_mode():
        folded = fold(crossed, clips).network
    assert gradient(folded, clips).abs().sum() > 0


def test_a_network_that_runs_modules_outside_of_the_tree_is_not_folded() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv3d(3, 4, 1)
            self.norm = randomised(nn.BatchNorm3d(4))
            self.stages = [self.convolution, self.norm]

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            for stage in self.stages:
                clips = stage(clips)
            return clips.mean(dim=(2, 3, 4))

    network = Hidden().eval().requires_grad_(False)
    clips = torch.randn(1, 3, 4, 8, 8)
    folded = fold(network, clips)
    assert not folded.pairs
    torch.testing.assert_close(folded.network(clips), network(clips))


def test_a_network_that_fails_on_marked_tensors_is_not_folded() -> None:
    class Strict(nn.Sequential):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            output = self[0](clips)
            if type(output) is not torch.Tensor:
                raise TypeError("not a plain tensor")
            features: torch.Tensor = self[1](output)
            return features.mean(dim=(2, 3, 4))

    network = Strict(nn.Conv3d(3, 4, 1), randomised(nn.BatchNorm3d(4))).eval()
    clips = torch.randn(1, 3, 4, 8, 8)
    folded = fold(network.requires_grad_(False), clips)
    assert not folded.pairs
    torch.testing.assert_close(folded.network(clips), network(clips))


def layer_of(network: nn.Module, layer: str, *, folded: bool) -> Reading:
    torch.manual_seed(0)
    clips = torch.randn(1, 3, 16, 64, 64)
    runner = ModelRunner(network, "cpu")
    if not folded:
        exact = optimised(network)
        runner._network_for = lambda *_: exact  # type: ignore[method-assign]
    return runner.evaluate(Probe(clips, torch.tensor([2]), layer=layer))


def off(one: torch.Tensor | None, other: torch.Tensor | None) -> float:
    assert one is not None
    assert other is not None
    return float((one - other).norm() / other.norm())


def test_layers_are_read_from_a_network_folded_below_them(motion_model: Classifier) -> None:
    """Differences are of rounding alone, which flips a ReLU at most."""
    layer = motion_model.card.cam_layer
    if motion_model.card.family in {"videomae", "swin3d"}:
        layer = "patch_embed"
    for each in (layer, layer.replace("mixed_3c", "mixed_4b").replace("layer3", "layer2")):
        theirs, ours = (
            layer_of(motion_model.network, each, folded=folded) for folded in (False, True)
        )
        assert 0 < off(ours.logits, theirs.logits) < 1e-5
        assert off(ours.activation, theirs.activation) < 1e-5
        assert off(ours.activation_gradient, theirs.activation_gradient) < 1e-3


def test_a_network_without_batch_norm_stays_as_it_is() -> None:
    card = zoo.card("videomae-motion")
    card = dataclasses.replace(card, options={**card.options, "stem": ()})
    network, clips = zoo.build(card).eval().requires_grad_(False), torch.randn(1, 3, 8, 64, 64)
    assert not fold(network, clips).pairs
    runner = ModelRunner(network, "cpu")
    plain, searched = (
        runner.evaluate(Probe(clips, torch.tensor([2]), gradient=True, folded=each))
        for each in (False, True)
    )
    assert torch.equal(plain.logits, searched.logits)
    assert plain.gradient is not None
    assert searched.gradient is not None
    assert torch.equal(plain.gradient, searched.gradient)


def test_above_a_layer_nothing_is_folded() -> None:
    network = zoo.load("r3d-motion").network
    below = fold(network, torch.randn(1, 3, 16, 64, 64)).up_to("layer2", network)
    assert below is not None
    kinds = {
        name: {type(module) for module in getattr(below, name).modules()}
        for name in ("stem", "layer1", "layer2", "layer3", "layer4")
    }
    has = {name: nn.BatchNorm3d in found for name, found in kinds.items()}
    assert has == {name: name in ("layer3", "layer4") for name in has}


@pytest.mark.parametrize("layer", ["layer4.1.conv2.0", "layer4.1.relu"])
def test_a_layer_that_ends_before_its_batch_norm_is_read_from_the_exact_network(layer: str) -> None:
    network = zoo.load("r3d-motion").network
    theirs, ours = (layer_of(network, layer, folded=folded) for folded in (False, True))
    assert torch.equal(ours.logits, theirs.logits)
