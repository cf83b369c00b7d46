"""A program as a network: modules named as the original's, which run its steps."""

from collections.abc import Mapping
from typing import Any

import torch

from videovisual.errors import WeightsError
from videovisual.utils.text import shown
from videovisual.zoo.layout import check_tensors, some
from videovisual.zoo.program.building import build
from videovisual.zoo.program.graph import Graph, read_graph
from videovisual.zoo.program.layers import frozen
from videovisual.zoo.program.rewriting import rewritten
from videovisual.zoo.program.scope import Scope


class Program(Scope):
    """A network read from a file that holds no code.

    Args:
        document: the exporter's JSON.
        state: the weights, buffers and constants by their dotted names, which are used themselves.

    Attributes:
        document: the exporter's JSON, which an archive keeps.
        state: the tensors by their dotted names in the original network.

    Raises:
        WeightsError: the document is damaged, or holds what a program may not do; tensors are
            missing, not dense float32 or integers, or NaN.
    """

    def __init__(self, document: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        graph = rewritten(read_graph(document))
        self.document = document
        self.state = _checked(graph, state)
        self._keys = graph.keys
        try:
            build(self, graph, {name: self.state[key] for name, key in graph.tensors.items()})
        except (ValueError, TypeError, RuntimeError, IndexError, KeyError) as error:
            raise WeightsError(
                f"The exported program is damaged: {shown(error)}. Save it again."
            ) from error

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The original network's answer.

        Args:
            args, kwargs: the clips, in lists or alone, in the order of the original's arguments.

        Returns:
            A tensor, a dictionary of tensors, or a tuple of those that the original gave.
        """
        clips = _flat([*args, *kwargs.values()])
        answers = super().forward(*clips, clips[0].device)
        if self._keys is None:
            return answers
        return dict(zip(self._keys, answers if len(self._keys) > 1 else [answers], strict=True))


def _checked(graph: Graph, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    missing = [key for key in graph.tensors.values() if key not in state]
    if missing:
        raise WeightsError(
            f"The exported program has no tensors for {shown(some(missing), 200)}. Save it again.",
            missing=missing,
        )
    held = {key: state[key] for key in graph.tensors.values()}
    check_tensors(held)
    other = {key: str(tensor.dtype) for key, tensor in held.items() if not _usable(tensor)}
    if other:
        raise WeightsError(
            f"The exported program has weights in 16 or 64 bits: {shown(some(list(other)), 200)}. "
            "Export the network in float32: `network.float()`.",
            entries=other,
        )
    broken = [key for key, tensor in held.items() if tensor.isnan().any()]
    if broken:
        raise WeightsError(
            f"The exported program has NaN in {shown(some(broken), 200)}: the training diverged, "
            "or the file is damaged. Export an earlier checkpoint.",
            not_finite=broken,
        )
    return {key: frozen(tensor) for key, tensor in held.items()}


def _usable(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() or tensor.dtype == torch.float32


def _flat(value: Any) -> list[torch.Tensor]:
    if isinstance(value, list | tuple):
        return [tensor for each in value for tensor in _flat(each)]
    return [value]
