"""Grad-CAM's default layer of a network of any kind."""

from contextlib import ExitStack

import torch

from videovisual.zoo.adapter import AdaptedNetwork


def cam_layer(network: AdaptedNetwork, clip: torch.Tensor) -> str:
    """The dotted name of the last module whose output still has several places in space.

    Args:
        network: in evaluation mode.
        clip: float32 [3, T, H, W].

    Returns:
        The name; empty if no module's output has the shape [N, C, T, H, W].
    """
    found: list[str] = []

    def look(name: str, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 5 and min(output.shape[3:]) > 1:
            found.append(name)

    with ExitStack() as hooks, torch.inference_mode():
        for name, module in network.module.named_modules():
            handle = module.register_forward_hook(
                lambda _module, _inputs, output, name=name: look(name, output)
            )
            hooks.callback(handle.remove)
        network(clip[None])
    return found[-1] if found else ""
