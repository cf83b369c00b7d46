"""ONNX models run as the network that they were made of; damaged and malicious ones are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.onnx_network import LABELS, ORDERS, SPEC, Network, external, proto, saved

import videovisual
from videovisual import Classifier, InputSpec, classify, explain
from videovisual.errors import InvalidParameter, MissingFile, ScoresError, WeightsError
from videovisual.utils.digest import file_sha256

onnx = pytest.importorskip("onnx")

BYTES = InputSpec(frames=4, size=(6, 8), value_range=(0, 255))


@pytest.fixture
def network() -> Network:
    return Network().eval().requires_grad_(False)


def frames() -> Any:
    return np.random.default_rng(0).integers(0, 255, (4, 6, 8, 3), np.uint8)


@pytest.mark.parametrize("layout", list(ORDERS))
@pytest.mark.parametrize("dtype", ["FLOAT", "DOUBLE", "FLOAT16"])
@pytest.mark.parametrize("batch", ["N", 1, 2])
def test_it_gives_the_logits_of_the_network(
    tmp_path: Path, network: Network, layout: str, dtype: str, batch: str | int
) -> None:
    path = saved(tmp_path, proto(network, layout, dtype, batch))
    model = Classifier.from_onnx(path, LABELS, SPEC)
    clips = torch.randn(3, 3, 4, 6, 8)
    error = 1e-2 if dtype == "FLOAT16" else 1e-5
    torch.testing.assert_close(model.logits(clips), network(clips), rtol=error, atol=error)
    assert model.network.interface.layout == layout


def test_uint8_frames_are_rounded(tmp_path: Path, network: Network) -> None:
    path = saved(tmp_path, proto(network, "NTHWC", "UINT8"))
    with pytest.raises(InvalidParameter, match=r"value_range=\(0, 255\)"):
        Classifier.from_onnx(path, LABELS, SPEC)
    model = Classifier.from_onnx(path, LABELS, BYTES)
    clips = 255 * torch.rand(1, 3, 4, 6, 8)
    clips[0, 0, 0, 0, :2] = torch.tensor([-0.4, 255.4])
    expected = network(clips.round().clamp(0, 255))
    torch.testing.assert_close(model.logits(clips), expected, rtol=1e-4, atol=1e-3)


def test_it_is_loaded_classified_and_explained(tmp_path: Path, network: Network) -> None:
    path = saved(tmp_path, proto(network))
    model = videovisual.load(str(path), labels=LABELS, input=SPEC)
    twin = Classifier.from_module(network, LABELS, SPEC)
    found, expected = (classify(each, frames()) for each in (model, twin))
    assert found.model == "model"
    for one, other in zip(found.predictions, expected.predictions, strict=True):
        assert one.label == other.label
        assert one.logit == pytest.approx(other.logit, abs=1e-5)
    given: dict[str, dict[str, Any]] = {"lime": {"samples": 20}, "rise": {"masks": 20}}
    for method in ("occlusion", "rise", "lime", "frame_shapley"):
        maps = [
            explain(each, frames(), method, "red", **given.get(method, {}))
            for each in (model, twin)
        ]
        np.testing.assert_allclose(maps[0].map, maps[1].map, atol=1e-5)
    assert maps[0].provenance["weights_sha256"] == file_sha256(path)
    assert model.card.family == "onnx"
    with pytest.raises(InvalidParameter, match="step needs gradients"):
        explain(model, frames(), "step")


def test_load_asks_for_labels_and_input(tmp_path: Path, network: Network) -> None:
    path = saved(tmp_path, proto(network))
    with pytest.raises(InvalidParameter, match=r"labels=.*input="):
        videovisual.load(str(path), labels=LABELS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": InputSpec(frames=8, size=(6, 8))}, "no order of them fits. Change `input`"),
        ({"layout": "NTCHW"}, "doesn't fit layout='NTCHW'. It fits NCTHW"),
        ({"layout": "TCHW"}, "no layout 'TCHW'"),
        ({"labels": ["a", "b"]}, r"logits of shape \[1, 3\] for 2 labels"),
    ],
)
def test_a_wrong_description_is_refused(
    tmp_path: Path, network: Network, given: dict[str, Any], message: str
) -> None:
    path = saved(tmp_path, proto(network))
    with pytest.raises(InvalidParameter, match=message):
        Classifier.from_onnx(path, **{"labels": LABELS, "input": SPEC, **given})


def test_an_order_that_the_shapes_leave_open_is_asked_for(tmp_path: Path, network: Network) -> None:
    model = proto(network)
    for place in model.graph.input[0].type.tensor_type.shape.dim:
        place.dim_param = "any"
    path = saved(tmp_path, model)
    with pytest.raises(InvalidParameter, match=r"NCTHW and NTCHW and NTHWC fit\. Say which"):
        Classifier.from_onnx(path, LABELS, SPEC)
    assert Classifier.from_onnx(path, LABELS, SPEC, layout="NCTHW").card.labels == tuple(LABELS)


def test_several_outputs_are_known_by_name(tmp_path: Path, network: Network) -> None:
    model = proto(network)
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("f", onnx.TensorProto.FLOAT, ["N", 5])
    )
    path = saved(tmp_path, model)
    clips = torch.randn(2, 3, 4, 6, 8)
    found = Classifier.from_onnx(path, LABELS, SPEC).logits(clips)
    torch.testing.assert_close(found, network(clips))
    features = Classifier.from_onnx(path, list("abcde"), SPEC, output="f").logits(clips)
    assert features.shape == (2, 5)


def test_weights_in_a_file_beside_it_are_read(tmp_path: Path, network: Network) -> None:
    weights = network.conv.weight.numpy().tobytes()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "w.bin").write_bytes(weights)
    path = saved(tmp_path, external(proto(network), "parts/w.bin"))
    model = Classifier.from_onnx(path, LABELS, SPEC)
    clips = torch.randn(2, 3, 4, 6, 8)
    torch.testing.assert_close(model.logits(clips), network(clips))
    # The digest is of the weights too.
    (tmp_path / "parts" / "w.bin").write_bytes(bytes(len(weights)))
    assert Classifier.from_onnx(path, LABELS, SPEC).weights_sha256 != model.weights_sha256


@pytest.mark.parametrize("location", ["../w.bin", "{outside}", "link.bin", "", "nothing.bin", "."])
def test_weights_outside_of_its_folder_are_refused(
    tmp_path: Path, network: Network, location: str
) -> None:
    weights = network.conv.weight.numpy().tobytes()
    outside = tmp_path / "w.bin"
    outside.write_bytes(weights)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.bin").symlink_to(outside)
    path = saved(folder, external(proto(network), location.format(outside=outside)))
    with pytest.raises(WeightsError, match="only files in its own folder are read"):
        Classifier.from_onnx(path, LABELS, SPEC)


def test_weights_hidden_inside_of_a_branch_are_found(tmp_path: Path, network: Network) -> None:
    helper = onnx.helper
    value = external(proto(network), "../w.bin").graph.initializer[0]
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["hidden"], value=value)],
        "branch",
        [],
        [helper.make_tensor_value_info("hidden", onnx.TensorProto.FLOAT, None)],
    )
    model = proto(network)
    condition = onnx.numpy_helper.from_array(np.array(True), "condition")
    model.graph.initializer.append(condition)
    model.graph.node.append(
        helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch)
    )
    with pytest.raises(WeightsError, match="only files in its own folder"):
        Classifier.from_onnx(saved(tmp_path, model), LABELS, SPEC)


@pytest.mark.parametrize(("length", "message"), [(10**13, "at most"), ("-1", "no number")])
def test_a_length_that_cannot_be_is_refused(
    tmp_path: Path, network: Network, length: Any, message: str
) -> None:
    (tmp_path / "w.bin").write_bytes(network.conv.weight.numpy().tobytes())
    path = saved(tmp_path, external(proto(network), "w.bin", length=length))
    with pytest.raises(WeightsError, match=message):
        Classifier.from_onnx(path, LABELS, SPEC)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 2**40)
    with pytest.raises(WeightsError, match="1099511627776 bytes, and at most"):
        Classifier.from_onnx(path, LABELS, SPEC)


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "text", "zeros", "pickle"])
def test_a_damaged_file_is_refused(tmp_path: Path, network: Network, damage: str) -> None:
    whole = proto(network).SerializeToString()
    data = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "noise": np.random.default_rng(0).bytes(5000),
        "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "zeros": bytes(5000),
        "pickle": b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
    }[damage]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"model\.onnx can't be used: "):
        Classifier.from_onnx(path, LABELS, SPEC)


def test_weights_of_the_wrong_size_are_refused(tmp_path: Path, network: Network) -> None:
    model = proto(network)
    model.graph.initializer[0].raw_data = b"\0\0\0\0"
    with pytest.raises(WeightsError, match="onnxruntime can't run it"):
        Classifier.from_onnx(saved(tmp_path, model), LABELS, SPEC)


def test_operators_of_a_library_of_its_own_are_refused(tmp_path: Path, network: Network) -> None:
    model = proto(network)
    model.graph.node[3].domain = "their.library"
    model.opset_import.append(onnx.helper.make_opsetid("their.library", 1))
    with pytest.raises(WeightsError, match="onnxruntime can't run it"):
        Classifier.from_onnx(saved(tmp_path, model), LABELS, SPEC)


def test_a_model_that_takes_something_else_is_refused(tmp_path: Path, network: Network) -> None:
    model = proto(network)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    with pytest.raises(InvalidParameter, match=r"'clips' tensor\(int64\).*five axes"):
        Classifier.from_onnx(saved(tmp_path, model), LABELS, SPEC)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"none\.onnx"):
        Classifier.from_onnx(tmp_path / "none.onnx", LABELS, SPEC)


def test_an_operator_that_fails_later_is_an_error_of_the_tree(
    tmp_path: Path, network: Network
) -> None:
    model = proto(network)
    for place in model.graph.input[0].type.tensor_type.shape.dim:
        place.dim_param = "any"
    made = Classifier.from_onnx(saved(tmp_path, model), LABELS, SPEC, layout="NCTHW")
    with pytest.raises(ScoresError, match=r"was given float32 \[1, 2, 4, 6, 8\], and failed"):
        made.network(torch.zeros(1, 2, 4, 6, 8))
