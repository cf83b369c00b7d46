"""Weights that are not finite or of another kind are refused by name; harmless differences read."""

import warnings

import pytest
import torch
from safetensors.torch import save_file

from videovisual import zoo
from videovisual.errors import WeightsError
from videovisual.zoo.loading import CARD_FILE, load_folder

NAME = "r3d-motion"


@pytest.fixture(scope="module")
def trained():
    return {key: value.clone() for key, value in zoo.load(NAME).network.state_dict().items()}


@pytest.fixture
def load(tmp_path):
    def save_and_load(content):
        torch.save(content, tmp_path / "net.pth")
        return zoo.load(NAME, tmp_path / "net.pth")

    return save_and_load


def changed(state, convert, key="fc.weight"):
    with warnings.catch_warnings():
        # torch calls sparse and quantised tensors a beta.
        warnings.simplefilter("ignore")
        return {**state, key: convert(state[key])}


def one_infinite(tensor):
    tensor = tensor.clone()
    tensor[0, 0] = torch.inf
    return tensor


NOT_FINITE = {
    "all NaN": (lambda tensor: tensor * torch.nan, r"fc\.weight \(640 of 640 values\)"),
    "one infinity": (one_infinite, r"fc\.weight \(1 of 640 values\)"),
    "beyond float32": (lambda tensor: tensor.double() + 1e300, r"fc\.weight \(640 of 640"),
}


@pytest.mark.parametrize(("convert", "message"), NOT_FINITE.values(), ids=NOT_FINITE)
def test_weights_that_are_not_finite_are_refused(load, trained, convert, message):
    with pytest.raises(WeightsError, match=f"NaN or infinite, in float32: {message}"):
        load(changed(trained, convert))


def test_an_archive_s_weights_are_checked_too(tmp_path, trained):
    import json

    (tmp_path / CARD_FILE).write_text(json.dumps(zoo.card(NAME).to_json()), "utf-8")
    save_file(changed(trained, lambda bias: bias / 0, "fc.bias"), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"NaN or infinite, in float32: fc\.bias \(10 of 10"):
        load_folder(tmp_path)


KINDS = {
    "int8": (lambda tensor: (100 * tensor).to(torch.int8), r"fc\.weight is int8.*quantised"),
    "bool": (lambda tensor: tensor > 0, r"fc\.weight is bool"),
    "quantised": (
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        r"fc\.weight is quantised \(qint8\)",
    ),
    "sparse": (lambda tensor: tensor.to_sparse(), r"fc\.weight is sparse or nested"),
    "sparse rows": (lambda tensor: tensor.to_sparse_csr(), r"fc\.weight is sparse or nested"),
    "complex": (lambda tensor: tensor.to(torch.complex64), r"fc\.weight is complex64"),
    "8-bit": (lambda tensor: tensor.to(torch.float8_e4m3fn), r"fc\.weight is float8_e4m3fn"),
    "meta": (lambda tensor: tensor.to("meta"), r"fc\.weight is on `meta`"),
}


@pytest.mark.parametrize(("convert", "message"), KINDS.values(), ids=KINDS)
def test_tensors_of_other_kinds_are_refused(load, trained, convert, message):
    state = changed(trained, convert)
    with pytest.raises(WeightsError, match=message):
        zoo.load(NAME, state)
    if state["fc.weight"].device.type != "meta":
        with pytest.raises(WeightsError, match=message):
            load(state)


def test_an_entry_that_is_no_tensor_is_refused(trained):
    with pytest.raises(WeightsError, match=r"fc\.weight is a ndarray"):
        zoo.load(NAME, changed(trained, lambda tensor: tensor.numpy()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_weights_are_read_exactly_and_told(load, trained, dtype):
    loaded = load({key: tensor.to(dtype) for key, tensor in trained.items()})
    name = str(dtype).removeprefix("torch.")
    assert loaded.weights_dtype == name
    assert torch.equal(loaded.network.fc.weight, trained["fc.weight"].to(dtype).float())
    assert load(trained).weights_dtype is None


def prefixed(*prefixes):
    return lambda state: {"".join(prefixes) + key: value for key, value in state.items()}


HARMLESS = {
    "DataParallel": prefixed("module."),
    "Lightning": prefixed("model."),
    "compiled": prefixed("_orig_mod."),
    "all of them": prefixed("model.", "_orig_mod.", "module."),
    "a backbone": prefixed("backbone."),
    "an attribute, and a loss": lambda state: {
        **prefixed("task.")(state),
        "loss.weight": torch.ones(2),
    },
    "an average": lambda state: {
        "state_dict": {key: 2 * tensor for key, tensor in state.items()},
        "state_dict_ema": state,
    },
    "averaged": lambda state: {**prefixed("module.")(state), "n_averaged": torch.tensor(5)},
    "profiled": lambda state: {
        **state,
        "total_ops": torch.zeros(1),
        "fc.total_params": torch.ones(1),
    },
    "without counters": lambda state: {key: state[key] for key in state if "num_batch" not in key},
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "model": {"depth": 18}},
    "model_state": lambda state: {"model_state": state, "optimizer": {"state": {}}},
    "ema": lambda state: {"ema": prefixed("module.")(state), "step": 7},
    "nested": lambda state: {"model": {"state_dict": prefixed("module.")(state)}},
    "twice the same": lambda state: {"state_dict": state, "ema": dict(state)},
}


@pytest.mark.parametrize("wrap", HARMLESS.values(), ids=HARMLESS)
def test_harmless_differences_are_read(load, trained, wrap):
    loaded = load(wrap(trained)).network.state_dict()
    counters = {key for key in trained if "num_batches" in key}
    assert all(torch.equal(loaded[key], trained[key]) for key in trained.keys() - counters)


def test_several_networks_in_one_file_are_refused(load, trained):
    other = changed(trained, lambda tensor: tensor + 1)
    with pytest.raises(WeightsError, match="holds several networks: state_dict, net"):
        load({"state_dict": trained, "net": other})


def test_the_layout_of_openmmlab_is_named(load, trained):
    state = {f"backbone.{key}": value for key, value in trained.items() if "fc" not in key}
    state["cls_head.fc_cls.weight"] = trained["fc.weight"]
    with pytest.raises(WeightsError, match="OpenMMLab"):
        load(state)
