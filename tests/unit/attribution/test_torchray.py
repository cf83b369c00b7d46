"""TorchRay's own methods on clips, which TorchRay itself never saw."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from captum import attr
from tests.frames import blocks
from torch import nn
from torch.nn import functional as F

from videovisual import explain
from videovisual.attribution import catalogue
from videovisual.attribution.catalogue import Entry
from videovisual.errors import InvalidParameter, UnsuitableMethod
from videovisual.zoo import Classifier, InputSpec

ENTRIES = [entry for entry in catalogue.ENTRIES if entry.module == "torchray_adapter"]
FOR_RELUS = [entry.name for entry in ENTRIES if entry.name != "linear_approx"]
TARGET = 3


@pytest.fixture(autouse=True)
def _torchray(torchvision: ModuleType) -> None:
    """TorchRay, which needs a torchvision that can be imported."""
    pytest.importorskip("torchray")


@pytest.fixture
def clip(convnet: Classifier) -> torch.Tensor:
    return convnet.prepare(blocks(8, 64, 64))[:, :, :32, :48].contiguous()


def functions() -> list[object]:
    """What TorchRay replaces in torch while it runs."""
    names = ("relu", "conv1d", "conv2d", "conv3d", "linear", "batch_norm", "avg_pool2d")
    pools = ("avg_pool3d", "adaptive_avg_pool3d", "max_pool3d", "max_pool2d")
    return [getattr(F, name) for name in (*names, *pools)] + [torch.relu, torch.relu_]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_method_runs_on_a_clip_and_leaves_the_network_unchanged(
    convnet: Classifier, clip: torch.Tensor, entry: Entry, hooks: Callable[[nn.Module], int]
) -> None:
    network = convnet.network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torchs = functions()
    saliency = explain(convnet, clip, entry.name, TARGET)
    assert saliency.map.shape == (8, 32, 48)
    assert saliency.map.dtype == np.float32
    assert np.isfinite(saliency.map).all()
    assert saliency.signed == entry.signed
    assert saliency.signed or saliency.map.min() >= 0
    assert saliency.map.max() > saliency.map.min() or "excitation" in entry.name
    np.testing.assert_array_equal(saliency.map, explain(convnet, clip, entry.name, TARGET).map)
    after = network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert hooks(network) == 0
    assert functions() == torchs
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("method", FOR_RELUS)
def test_a_network_without_relus_is_refused(transformer: Classifier, method: str) -> None:
    """Guided backprop would be the plain gradient there, under another name."""
    clip = transformer.prepare(blocks(8, 64, 64))
    with pytest.raises(UnsuitableMethod, match=f"{method} is defined for networks of ReLUs"):
        explain(transformer, clip, method, TARGET)


def test_a_layer_whose_channels_are_not_the_second_axis_is_refused(transformer: Classifier) -> None:
    clip = transformer.prepare(blocks(8, 64, 64))
    with pytest.raises(InvalidParameter, match="Name a convolutional stage"):
        explain(transformer, clip, "linear_approx", TARGET)
    stem = explain(transformer, clip, "linear_approx", TARGET, layer="patch_embed")
    assert stem.map.max() > stem.map.min()


def test_linear_approx_equals_captums_gradient_times_activation(
    convnet: Classifier, clip: torch.Tensor
) -> None:
    layer = convnet.network.get_submodule(convnet.card.cam_layer)
    leaf = clip[None].clone().requires_grad_()
    product = attr.LayerGradientXActivation(convnet.network, layer)
    coarse = product.attribute(leaf, target=TARGET).sum(dim=1, keepdim=True)
    theirs = F.interpolate(coarse, clip.shape[1:], mode="trilinear", align_corners=False)[0, 0]
    ours = explain(convnet, clip, "linear_approx", TARGET).map
    expected = theirs.detach().numpy()
    assert np.linalg.norm(ours - expected) < 1e-5 * np.linalg.norm(expected)
    assert expected.any()


@pytest.mark.parametrize(
    "method", [entry.name for entry in ENTRIES if "layer" in entry.parameters.model_fields]
)
def test_an_unknown_layer_is_refused(convnet: Classifier, clip: torch.Tensor, method: str) -> None:
    with pytest.raises(InvalidParameter, match="no layer 'nonsense'"):
        explain(convnet, clip, method, TARGET, layer="nonsense")


def test_layers_that_give_no_tensor_are_refused() -> None:
    class Stage(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv3d(3, 4, 3, padding=1)

        def forward(self, clips: torch.Tensor) -> SimpleNamespace:
            return SimpleNamespace(features=F.relu(self.inner(clips)))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stage, self.head = Stage(), nn.Linear(4, 3)

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return self.head(self.stage(clips).features.mean((2, 3, 4)))  # type: ignore[no-any-return]

    classifier = Classifier.from_module(Network(), ["a", "b", "c"], InputSpec(frames=4, size=16))
    with pytest.raises(InvalidParameter, match=r"'stage' or 'stage\.inner' gives no tensor"):
        explain(classifier, blocks(4, 16, 16), "contrastive_excitation_backprop")


def test_a_torchvision_for_another_torch_is_reported_as_the_cause() -> None:
    code = """
import sys
try:
    import torchvision
except RuntimeError:
    pass
else:
    sys.exit(77)
for name in [name for name in sys.modules if name.startswith("torchvision")]:
    del sys.modules[name]
from videovisual.attribution.torchray_adapter import _find
from videovisual.errors import MissingExtra
try:
    _find("excitation_backprop")
except MissingExtra as error:
    assert "same index" in error.message and "CC BY-NC" in error.message, error.message
    sys.exit(0)
sys.exit(1)
"""
    result = subprocess.run([sys.executable, "-c", code], check=False)
    if result.returncode == 77:
        pytest.skip("this torchvision fits this torch")
    assert result.returncode == 0
