"""Checkpoints as trainings write them, loaded into a network of one's own."""

import logging

import pytest
import torch
from torch import nn

import videovisual
from videovisual.errors import WeightsError


class Net(nn.Module):
    """All of its keys begin with `net.`, which is a prefix of other checkpoints."""

    def __init__(self, classes=3):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, classes))


@pytest.fixture
def net():
    return Net()


@pytest.fixture
def state():
    torch.manual_seed(5)
    return {
        key: torch.randn_like(tensor) if tensor.is_floating_point() else tensor
        for key, tensor in Net().state_dict().items()
    }


@pytest.fixture
def save(tmp_path):
    def write(content):
        torch.save(content, tmp_path / "mine.pth")
        return tmp_path / "mine.pth"

    return write


def under(prefix, state):
    return {f"{prefix}{key}": tensor for key, tensor in state.items()}


def other(state):
    return {key: tensor + 1 for key, tensor in state.items()}


def parameters(state):
    return {key: state[key] for key in state if "running" not in key and "num" not in key}


FORMS = {
    "as it is": lambda state: state,
    "DataParallel": lambda state: under("module.", state),
    "compiled in Lightning": lambda state: {
        "state_dict": under("model._orig_mod.", state),
        "pytorch-lightning_version": "2.5.0",
        "optimizer_states": [],
    },
    "an attribute of one's own, and a loss": lambda state: {
        "state_dict": {**under("classifier.", state), "loss.weight": torch.ones(3)},
        "pytorch-lightning_version": "2.5.0",
    },
    "deep": lambda state: under("task.learner.student.module.", state),
    "timm": lambda state: {"state_dict": other(state), "state_dict_ema": state, "epoch": 3},
    "model_ema": lambda state: {"model": other(state), "model_ema": under("module.", state)},
    "shadow": lambda state: {"model": {**state}, "shadow": parameters(state)},
    "flat": lambda state: {
        **under("online_model.", other(state)),
        **under("ema_model.", state),
        "step": torch.tensor(3),
    },
    "the same twice": lambda state: {**under("a.", state), **under("b.", state)},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_network_s_entries_are_found(net, state, save, form):
    assert videovisual.load_weights(net, save(form(state))) is net
    loaded = net.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_that_the_average_is_taken_is_told(net, state, save, caplog):
    with caplog.at_level(logging.WARNING, "videovisual"):
        videovisual.load_weights(net, save({"model": other(state), "ema_state_dict": state}))
    assert "(model, ema_state_dict) the moving average is taken: ema_state_dict" in caplog.text
    caplog.clear()
    videovisual.load_weights(net, save(state))
    assert not caplog.text


def test_buffers_come_from_the_network_that_is_averaged(net, state, save):
    average = {key: tensor + 2 for key, tensor in parameters(state).items()}
    videovisual.load_weights(net, save({"state_dict": state, "shadow": average}))
    loaded = net.state_dict()
    assert torch.equal(loaded["net.0.weight"], average["net.0.weight"])
    assert torch.equal(loaded["net.1.running_mean"], state["net.1.running_mean"])


@pytest.mark.parametrize("entries", [True, False])
def test_several_networks_are_refused_by_name(net, state, save, entries):
    held = {**under("student.", state), **under("teacher.", other(state))}
    with pytest.raises(WeightsError, match=r"several networks: student, teacher\. Save the one"):
        videovisual.load_weights(net, held if entries else save(held))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_weights_become_the_network_s_dtype(net, state, save, dtype):
    videovisual.load_weights(net, save({key: tensor.to(dtype) for key, tensor in state.items()}))
    assert net.net[0].weight.dtype == torch.float32
    assert torch.equal(net.net[0].weight, state["net.0.weight"].to(dtype).float())


def test_other_classes_are_told(state, save):
    with pytest.raises(
        WeightsError, match=r"net\.2\.weight is \[3, 5\] and must be \[7, 5\].*with as many"
    ):
        videovisual.load_weights(Net(classes=7), save(state))


def test_a_pickled_network_is_refused_with_the_lines_that_export_it(net, state, save, tmp_path):
    net.load_state_dict(state)
    path = save(net)
    with pytest.raises(WeightsError, match=r"(?s)it was not run\..*weights_only=False") as refused:
        videovisual.load_weights(Net(), path)
    lines = refused.value.message.splitlines()[1:]
    assert len(lines) == 3
    run = "\n".join(lines).replace("'mine.pth'", repr(str(path)))
    exec(run.replace('"weights.pth"', repr(str(tmp_path / "weights.pth"))))
    loaded = videovisual.load_weights(Net(), tmp_path / "weights.pth").state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_another_network_s_entries_are_named(net, save):
    with pytest.raises(WeightsError, match=r"missing: net\.0\.weight.*not known: stem\.weight"):
        videovisual.load_weights(net, save({"stem.weight": torch.ones(1)}))
