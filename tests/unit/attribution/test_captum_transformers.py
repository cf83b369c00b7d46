"""Our methods against Captum's on transformers: tokens, and axes with the channels last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
import torch
from captum import attr
from tests.frames import blocks
from tests.transformer import INPUT, Transformer
from tests.transformer import classifier as plain_classifier
from tests.unit.attribution import transformers
from torch import nn
from torch.nn import functional as F

from videovisual import explain, zoo
from videovisual.engine.model_runner import find_layer
from videovisual.saliency import Map
from videovisual.zoo import Classifier, InputSpec

TARGET = 1


@dataclass(frozen=True)
class Model:
    """A classifier, and how the output of its Grad-CAM layer becomes [N, C, t, h, w] and back."""

    classifier: Classifier
    clip: torch.Tensor
    reshape: Callable[[torch.Tensor], torch.Tensor]
    back: Callable[[torch.Tensor], torch.Tensor]


CHANNELS_LAST: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "reshape": lambda x: x.movedim(-1, 1),
    "back": lambda x: x.movedim(1, -1),
}


def tokens(grid: tuple[int, int, int]) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    return {
        "reshape": lambda x: x.transpose(1, 2).unflatten(2, grid),
        "back": lambda x: x.flatten(2).transpose(1, 2),
    }


def plain() -> Model:
    clip = torch.randn(INPUT.shape)
    return Model(plain_classifier(Transformer()), clip, **tokens((4, 3, 4)))


def videomae() -> Model:
    clip = torch.randn(transformers.INPUT.shape)
    return Model(transformers.classifier("videomae"), clip, **tokens((4, 4, 4)))


def swin(torchvision: ModuleType) -> Model:
    torch.manual_seed(3)
    network = torchvision.models.video.swin3d_t(num_classes=3)
    spec = InputSpec(frames=8, size=(64, 96))
    return Model(
        Classifier.from_module(network, ["up", "down", "still"], spec),
        torch.randn(spec.shape),
        **CHANNELS_LAST,
    )


def trained(name: str) -> Model:
    classifier = zoo.load(name)
    reshape = CHANNELS_LAST if name == "swin3d-motion" else tokens((4, 8, 8))
    return Model(classifier, classifier.prepare(blocks(8, 64, 64)), **reshape)


@pytest.fixture(
    scope="module",
    params=[
        *("plain", "videomae", "videomae-motion", "swin3d-motion"),
        pytest.param("swin3d_t", marks=pytest.mark.slow),
    ],
)
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    if request.param == "plain":
        return plain()
    if request.param.endswith("-motion"):
        return trained(request.param)
    torchvision = request.getfixturevalue("torchvision")
    return swin(torchvision) if request.param == "swin3d_t" else videomae()


def assert_same(ours: Map, theirs: torch.Tensor) -> None:
    """Equal to 1e-4 of the norm, and not because both are empty."""
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape
    norm = np.linalg.norm(expected)
    assert norm > 0
    assert np.linalg.norm(ours - expected) < 1e-4 * norm


def test_gradient(model: Model) -> None:
    leaf = model.clip[None].clone().requires_grad_()
    theirs = attr.Saliency(model.classifier.network).attribute(leaf, target=TARGET)
    assert_same(explain(model.classifier, model.clip, "gradient", TARGET).map, theirs[0].amax(0))


def test_integrated_gradients(model: Model) -> None:
    theirs = attr.IntegratedGradients(model.classifier.network).attribute(
        model.clip[None],
        model.classifier.prepare(np.full((8, 64, 64, 3), 0, np.uint8))[None],
        target=TARGET,
        n_steps=5,
        method="riemann_middle",
        internal_batch_size=1,
    )
    options = {"steps": 5, "rule": "midpoint", "baseline": "black", "complete": False}
    ours = explain(model.classifier, model.clip, "integrated_gradients", TARGET, **options)
    assert_same(ours.map, theirs[0].sum(0))


def test_smooth_grad(model: Model) -> None:
    samples, noise, seed = 4, 0.2, 7
    torch.manual_seed(seed)
    theirs = attr.NoiseTunnel(attr.Saliency(model.classifier.network)).attribute(
        model.clip[None],
        nt_type="smoothgrad",
        nt_samples=samples,
        nt_samples_batch_size=1,
        stdevs=float(noise * (model.clip.max() - model.clip.min())),
        target=TARGET,
        abs=False,
    )[0]
    options = {"seed": seed, "samples": samples, "noise": noise}
    ours = explain(model.classifier, model.clip, "smooth_grad", TARGET, **options)
    assert_same(ours.map, theirs.abs().amax(0))


class Apply(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def test_grad_cam(model: Model) -> None:
    """Captum's, at a layer of its own that reshapes what the layer gives."""
    network = model.classifier.network
    name = find_layer(network, model.classifier.card.cam_layer)
    layer = network.get_submodule(name)
    parent, _, leaf = name.rpartition(".")
    reshape = Apply(model.reshape)
    found = {}
    setattr(network.get_submodule(parent), leaf, nn.Sequential(layer, reshape, Apply(model.back)))
    try:
        for target in range(3):
            clip = model.clip[None].clone().requires_grad_()
            coarse = attr.LayerGradCam(network, reshape).attribute(
                clip, target=target, relu_attributions=True
            )
            size = model.clip.shape[1:]
            found[target] = F.interpolate(coarse, size, mode="trilinear")[0, 0]
    finally:
        setattr(network.get_submodule(parent), leaf, layer)
    target = max(found, key=lambda each: float(found[each].norm()))
    ours = explain(model.classifier, model.clip, "grad_cam", target, baseline="none")
    assert_same(ours.map, found[target])
