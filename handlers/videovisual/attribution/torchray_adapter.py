"""Methods that TorchRay computes: the extra `torchray`.

TorchRay 1.0.0.2, https://github.com/facebookresearch/TorchRay, is under CC BY-NC 4.0, which forbids
commercial use. It hooks the network and replaces functions of torch while it runs. So it gets a
copy of the network and runs while nothing else uses torch. At a residual connection the whole
signal goes to both sides, as in TorchRay where a network doesn't use its own sum.

All but `linear_approx` are defined for ReLUs; on a network without any, such as a transformer, they
raise UnsuitableMethod. Every method raises MissingExtra if TorchRay is not installed.
"""

import copy
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from videovisual.attribution.method import Case, enlarged, to_map
from videovisual.attribution.parameters import (
    ContrastiveExcitationBackpropParameters,
    LayerParameters,
    Parameters,
)
from videovisual.engine.activations import Places, tensor_of
from videovisual.engine.model_runner import ADAPTED, find_layer
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter, MissingExtra, UnsuitableMethod
from videovisual.saliency import Saliency
from videovisual.utils.extras import install_command

TorchRayFunction = Callable[..., torch.Tensor]


def guided_backprop(case: Case, parameters: Parameters) -> Attribution:
    """Gradient of the target's logit, where each ReLU passes only positive values both ways.

    The largest absolute value over a pixel's channels (Springenberg et al. 2015, arXiv 1412.6806).
    """
    del parameters
    return _method(case, "guided_backprop")


def deconvnet(case: Case, parameters: Parameters) -> Attribution:
    """Gradient of the target's logit, where each ReLU passes the gradient's positive values.

    The largest absolute value over a pixel's channels (Zeiler & Fergus 2014, arXiv 1311.2901).
    """
    del parameters
    return _method(case, "deconvnet")


def linear_approx(case: Case, parameters: LayerParameters) -> Attribution:
    """A layer's activations times the gradient of the target's logit there, summed over channels.

    Raises:
        InvalidParameter: the network has no such layer, or its channels are not the second axis.
    """
    return _method(case, "linear_approx", parameters, signed=True)


def excitation_backprop(case: Case, parameters: LayerParameters) -> Attribution:
    """The probability that a winner-take-all walk from the target passes a layer's cell.

    Zhang et al. 2016, arXiv 1608.00507.

    Raises:
        InvalidParameter: the network has no such layer.
    """
    return _method(case, "excitation_backprop", parameters)


def contrastive_excitation_backprop(
    case: Case, parameters: ContrastiveExcitationBackpropParameters
) -> Attribution:
    """Excitation backprop of the target minus that of all other classes (Zhang et al. 2016).

    Raises:
        InvalidParameter: the network has no such layer.
    """
    method = _find("contrastive_excitation_backprop", "excitation_backprop")
    contrast = parameters.contrast_layer or case.card.cam_layer

    def apply(network: nn.Module, clips: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        above = find_layer(network, contrast, "contrast_layer")
        layer = find_layer(network, parameters.layer or _stage_before(network, above))
        _check_relu(network, clips, "contrastive_excitation_backprop")
        layers = {"saliency_layer": layer, "contrast_layer": above}
        _check_channels(network, clips, layers.values())
        try:
            return method(_copied(network), clips, targets, **layers)
        except AttributeError as error:
            raise InvalidParameter(
                f"{layer.removeprefix(ADAPTED)!r} or {contrast!r} gives no tensor. Name "
                "convolutional stages by layer and contrast_layer.",
                parameter="layer",
            ) from error

    return _run(case, apply, signed=False)


def _method(
    case: Case, name: str, at: LayerParameters | None = None, *, signed: bool = False
) -> Attribution:
    method = _find(name)
    layers = {} if at is None else {"saliency_layer": at.layer or case.card.cam_layer}

    def apply(network: nn.Module, clips: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        found = {name: find_layer(network, layer) for name, layer in layers.items()}
        if name != "linear_approx":
            _check_relu(network, clips, name)
        _check_channels(network, clips, found.values())
        return method(_copied(network), clips, targets, **found)

    return _run(case, apply, signed=signed)


def _run(case: Case, apply: TorchRayFunction, *, signed: bool) -> Attribution:
    reading = yield Probe(
        case.clip[None].clone(), case.targets(1), apply=apply, progress=Progress(0, 1)
    )
    assert reading.applied is not None
    coarse = reading.applied
    if coarse.ndim != 5:
        raise InvalidParameter(
            f"The layer gives {list(coarse.shape)}, not [N, C, T, H, W]. Name a convolutional "
            "stage.",
            parameter="layer",
        )
    shape = {"layer_shape": list(coarse.shape[2:])}
    return Saliency(to_map(enlarged(case, coarse)), signed=signed, diagnostics=shape)


def _find(name: str, module: str | None = None) -> TorchRayFunction:
    """Import a function of TorchRay."""
    try:
        found: Any = importlib.import_module(f"torchray.attribution.{module or name}")
    except (ImportError, RuntimeError) as error:
        remedy = f"Install it with: {install_command('torchray')}."
        # The error of a torchvision that was built for another torch.
        if isinstance(error, RuntimeError):
            remedy = f"Install torchvision from the same index as your torch {torch.__version__}."
        raise MissingExtra(
            f"{name} needs TorchRay, which cannot be imported ({error}). {remedy} Its licence, "
            "CC BY-NC 4.0, forbids commercial use.",
            extra="torchray",
            licence="CC BY-NC 4.0",
        ) from None
    function: TorchRayFunction = getattr(found, name)
    return function


RELUS = {F.relu, torch.relu, torch.relu_}
"""The functions that TorchRay replaces, and the one that calls them."""


class _Relus(TorchFunctionMode):
    """While open, notices whether a network calls a ReLU that TorchRay replaces."""

    found = False

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch."""
        self.found = self.found or func in RELUS
        return func(*args, **(kwargs or {}))


def _check_relu(network: nn.Module, clips: torch.Tensor, method: str) -> None:
    with torch.inference_mode(), _Relus() as relus:
        network(clips)
    if not relus.found:
        raise UnsuitableMethod(
            f"{method} is defined for networks of ReLUs, and this one calls none that TorchRay can "
            "change, as transformers and exported programs do. Use `smooth_grad` or "
            "`integrated_gradients`.",
            parameter="method",
            given=method,
        )


def _check_channels(network: nn.Module, clips: torch.Tensor, layers: Iterable[str]) -> None:
    """TorchRay sums over the second axis, which is not the channels' in a channels-last layer."""
    places = Places(network, clips[0])

    def check(_module: nn.Module, _inputs: object, output: Any) -> None:
        found = tensor_of(output)
        if found is None or found.ndim != 5 or places.arrange(found, len(clips)) is found:
            return
        raise InvalidParameter(
            f"The layer gives {list(found.shape)}, not [N, C, T, H, W]. Name a convolutional "
            "stage, or use grad_cam.",
            parameter="layer",
        )

    with ExitStack() as hooks, torch.inference_mode():
        for layer in layers:
            hooks.callback(network.get_submodule(layer).register_forward_hook(check).remove)
        network(clips)


def _copied(network: nn.Module) -> nn.Module:
    """A copy that TorchRay may hook and change, whose linear layers get inputs of two axes.

    TorchRay multiplies the gradient at the input of a linear layer in place. Torch forbids that for
    an input of more than two axes, or of transposed ones, because its gradient is a view.
    """
    own = copy.deepcopy(network)
    for module in own.modules():
        if isinstance(module, nn.Linear):
            _Flat(module)
    return own


class _Flat:
    """Flattens the input of a linear layer to [N, C], and restores the axes of its output."""

    def __init__(self, layer: nn.Linear) -> None:
        self._shape: torch.Size = torch.Size()
        layer.register_forward_pre_hook(self._before)
        layer.register_forward_hook(self._after)

    def _before(self, _layer: nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
        self._shape = inputs[0].shape[:-1]
        return inputs[0].flatten(0, -2).contiguous()

    def _after(self, _layer: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        return output.reshape(*self._shape, output.shape[-1])


def _stage_before(network: nn.Module, layer: str) -> str:
    """The top-level module before the one that contains `layer`."""
    outer = network.get_submodule(ADAPTED[:-1]) if layer.startswith(ADAPTED) else network
    stages = [name for name, _ in outer.named_children()]
    place = stages.index(layer.removeprefix(ADAPTED).partition(".")[0])
    return stages[max(0, place - 1)]
