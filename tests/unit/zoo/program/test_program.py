"""A network and its exported program give the same, whatever the engine does to make it fast."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import pytest
import torch
from tests.unit.zoo.program.networks import (
    LABELS,
    SPEC,
    Attention,
    Bytes,
    Convolutional,
    Counts,
    Decides,
    classifier,
)
from torch import nn

import videovisual
from videovisual import Classifier, InputSpec, motion
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.batchnorm_folding import find_pairs
from videovisual.engine.optimise.precision import same_direction
from videovisual.engine.probe import Objective, Probe
from videovisual.errors import InvalidParameter
from videovisual.zoo.program import Program
from videovisual.zoo.program.exporting import export

METHODS = ("gradient", "gradient_x_input", "integrated_gradients", "occlusion")


def program_of(model: Classifier) -> Classifier:
    program, spec = export(model.network, model.card.input, torch.float32)
    return Classifier(dataclasses.replace(model.card, family="program", input=spec), program)


@pytest.fixture(params=[Convolutional, Attention])
def pair(request: pytest.FixtureRequest) -> tuple[Classifier, Classifier]:
    model = classifier(request.param())
    return model, program_of(model)


class Once(nn.Module):
    """Convolutions that run once in a pass, so their batch norms are folded."""

    def __init__(self) -> None:
        super().__init__()
        whole = Convolutional()
        self.stem, self.layers, self.fc = whole.stem, whole.layers, whole.fc

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.fc(self.layers(self.stem(clips)).mean(dim=(2, 3, 4)))


def test_logits_and_maps_are_equal(pair: tuple[Classifier, Classifier]) -> None:
    model, program = pair
    clips = torch.randn(3, *SPEC.shape)
    for count in (1, 3):
        torch.testing.assert_close(
            program.logits(clips[:count]), model.logits(clips[:count]), rtol=0, atol=0
        )
    frames = motion.sample(0, split="test").frames
    for method in METHODS:
        one, other = (videovisual.explain(each, frames, method=method).map for each in pair)
        assert (one == other).all(), method


def test_grad_cam_finds_the_layers_of_the_network() -> None:
    model = classifier(Once())
    frames = motion.sample(0, split="test").frames
    for layer in ("stem", "layers", "layers.1", "layers.1.relu"):
        one, other = (
            videovisual.explain(each, frames, method="grad_cam", layer=layer).map
            for each in (model, program_of(model))
        )
        torch.testing.assert_close(torch.tensor(other), torch.tensor(one), rtol=1e-5, atol=1e-6)


def test_frames_vary_where_the_network_lets_them() -> None:
    varies, fixed = (program_of(classifier(each())) for each in (Convolutional, Attention))
    assert varies.card.input == SPEC
    assert varies.logits(torch.randn(1, 3, 5, 16, 16)).shape == (1, 3)
    spec = fixed.card.input
    assert (spec.min_frames, spec.max_frames, spec.frame_multiple) == (2, 8, 8)


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_the_engine_optimises_it_as_the_network(
    precision: str, pair: tuple[Classifier, Classifier]
) -> None:
    clips = torch.randn(2, *SPEC.shape)
    probe = Probe(
        clips,
        torch.tensor([0, 1]),
        Objective.LOG_PROBABILITY,
        True,
        folded=True,
        reduced_precision=True,
    )
    one, other = (
        ModelRunner(each.network, "cpu", precision=precision).evaluate(probe)  # type: ignore[arg-type]
        for each in pair
    )
    assert one.gradient is not None
    assert other.gradient is not None
    if one.precision == torch.float32:
        torch.testing.assert_close(other.gradient, one.gradient, rtol=1e-3, atol=1e-5)
    assert same_direction(other.gradient, one.gradient)
    assert one.precision == other.precision


def test_batch_norm_is_folded_as_in_the_network() -> None:
    model = classifier(Once())
    program = program_of(model).network
    clip = torch.randn(1, *SPEC.shape)
    assert find_pairs(program, clip) == find_pairs(model.network, clip)
    assert len(find_pairs(program, clip)) == 2


def test_any_memory_format_is_taken(pair: tuple[Classifier, Classifier]) -> None:
    _, program = pair
    clips = torch.randn(2, *SPEC.shape)
    for module in program.network.modules():
        if isinstance(module, nn.Conv3d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
    expected = program.logits(clips)
    found = program.logits(clips.contiguous(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_clips_stay_as_they_are() -> None:
    class Whitens(nn.Module):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            clips.sub_(1)
            clips[:, 0] = 0
            return clips.mean(dim=(2, 3, 4))

    clips = torch.ones(1, *SPEC.shape)
    program, _ = export(Whitens(), SPEC, torch.float32)
    assert program(clips).tolist() == [[0, 0, 0]]
    assert (clips == 1).all()


def bytes_model() -> Classifier:
    spec = dataclasses.replace(SPEC, value_range=(0, 255))
    return Classifier.from_module(Bytes().eval(), LABELS, spec, layout="NTHWC", dtype="uint8")


def test_a_network_of_bytes_has_gradients() -> None:
    model = bytes_model()
    torch.manual_seed(0)
    network = Bytes().eval()
    torch.manual_seed(0)
    model = bytes_model()
    clips = torch.randint(0, 256, (2, *SPEC.shape))
    expected = network(clips.to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous())
    torch.testing.assert_close(model.logits(clips.float()), expected, rtol=1e-6, atol=1e-6)
    assert clips.max() > 200
    frames = motion.sample(0, split="test").frames
    assert videovisual.explain(model, frames, method="gradient").map.any()
    assert videovisual.explain(model, frames, method="smooth_grad").map.any()


def test_a_network_of_bytes_is_fed_bytes() -> None:
    with pytest.raises(InvalidParameter, match=r"value_range=\(0, 255\)"):
        Classifier.from_module(Bytes().eval(), LABELS, SPEC, layout="NTHWC", dtype="uint8")


def test_what_cannot_be_exported_is_explained() -> None:
    with pytest.raises(InvalidParameter, match=r"decides by the values.*torch\.where"):
        program_of(classifier(Decides()))
    with pytest.raises(InvalidParameter, match=r"replace `len\(x\)` by `x\.shape\[0\]`"):
        program_of(classifier(Counts()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["r3d_18", "swin3d_t", "mvit_v2_s"])
def test_networks_of_torchvision_are_equal(name: str, torchvision: ModuleType) -> None:
    size = 64 if name == "r3d_18" else 224
    network = getattr(torchvision.models.video, name)(num_classes=3).eval()
    model = Classifier.from_module(network, LABELS, InputSpec(frames=16, size=size))
    program = program_of(model)
    assert isinstance(program.network, Program)
    clip = torch.randn(1, 3, 16, size, size)
    torch.testing.assert_close(program.logits(clip), model.logits(clip), rtol=0, atol=0)
    probe = Probe(clip, torch.tensor([1]), gradient=True)
    one, other = (ModelRunner(each.network, "cpu").evaluate(probe) for each in (model, program))
    assert one.gradient is not None
    assert other.gradient is not None
    scale = float(one.gradient.abs().max())
    torch.testing.assert_close(other.gradient, one.gradient, rtol=0, atol=1e-5 * scale)
