"""Copies of a network in which some modules are replaced and all tensors are shared."""

from collections.abc import Callable

from torch import nn

from videovisual.engine.optimise.convolution import Convolution
from videovisual.engine.optimise.pooling import MaxPooling


def optimised(network: nn.Module) -> nn.Module:
    """A copy with the fastest convolutions and with deterministic gradients of max pooling.

    Sums are added in another order than torch's, so results differ by about 1e-7 of the largest.
    """
    return replace_modules(
        shallow_copy(network), lambda _, module: Convolution.of(module) or MaxPooling.of(module)
    )


def shallow_copy(network: nn.Module) -> nn.Module:
    """A new tree of modules that shares all tensors.

    A deep copy that keeps the tensors takes ten times as long.
    """
    copies = {module: module.__class__.__new__(module.__class__) for module in network.modules()}
    for module, copy in copies.items():
        for name, value in vars(module).items():
            # Copy the registers of parameters, modules and hooks, so that the copy's can change.
            vars(copy)[name] = value.copy() if isinstance(value, dict) else value
        for name, child in module._modules.items():
            copy._modules[name] = None if child is None else copies[child]
    return copies[network]


def replace_modules(
    network: nn.Module, substitute: Callable[[str, nn.Module], nn.Module | None]
) -> nn.Module:
    """Replace modules in place and return the network.

    Args:
        network: is changed.
        substitute: takes a module's dotted name and the module; returns None to keep it.
    """
    for name, module in list(network.named_modules(remove_duplicate=False)):
        other = substitute(name, module)
        if name and other is not None:
            parent, _, leaf = name.rpartition(".")
            setattr(network.get_submodule(parent), leaf, other)
    return network
