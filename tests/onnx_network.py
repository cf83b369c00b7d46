"""A small network as an ONNX model, for tests that need onnx and onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from videovisual import InputSpec

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SPEC = InputSpec(frames=4, size=(6, 8), mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2))
LABELS = ["red", "green", "blue"]
ORDERS = {"NCTHW": [0, 1, 2, 3, 4], "NTCHW": [0, 2, 1, 3, 4], "NTHWC": [0, 4, 1, 2, 3]}
"""The axes of each layout in the order N, C, T, H, W."""


class Network(nn.Module):
    """A convolution, a rectifier, a mean and three logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 5, 3, padding=1)
        self.head = nn.Linear(5, 3)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        features = self.conv(clips).relu().mean(dim=(2, 3, 4))
        return self.head(features)


def proto(
    network: Network, layout: str = "NCTHW", dtype: str = "FLOAT", batch: str | int = "N"
) -> Any:
    """The network as an ONNX model, built by hand."""
    helper = onnx.helper
    sizes = {"N": batch, "C": 3, "T": 4, "H": 6, "W": 8}
    kind = getattr(onnx.TensorProto, dtype)
    nodes = [
        helper.make_node("Cast", ["clips"], ["cast"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Transpose", ["cast"], ["x"], perm=ORDERS[layout]),
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["c"], pads=[1] * 6),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["m"]),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("Gemm", ["f", "head.weight", "head.bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("clips", kind, [sizes[axis] for axis in layout])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [batch, 3])],
        [onnx.numpy_helper.from_array(v.numpy(), k) for k, v in network.state_dict().items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def saved(folder: Path, model: Any) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def external(model: Any, location: str, *, length: int | str | None = None) -> Any:
    """The model with its first weights said to be in another file."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    if length is not None:
        tensor.external_data.add(key="length", value=str(length))
    return model
