import argparse
import io
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from videovisual.errors import WeightsError
from videovisual.zoo.weights_io.checkpoint import read_checkpoint

STATE = OrderedDict({"a.weight": torch.arange(6.0).view(2, 3), "a.count": torch.tensor(7)})


def same(read):
    return set(read) == set(STATE) and all(torch.equal(read[key], STATE[key]) for key in STATE)


@pytest.fixture
def saved(tmp_path):
    def save(content, name="net.pth", **options):
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.fixture
def pickled(tmp_path):
    def dump(content, protocol=4):
        path = tmp_path / "net.ckpt"
        data = content if isinstance(content, bytes) else pickle.dumps(content, protocol)
        path.write_bytes(data)
        return path

    return dump


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_pytorch_files_of_both_formats(saved, zipped):
    assert same(read_checkpoint(saved(STATE, _use_new_zipfile_serialization=zipped)))


def test_only_the_state_dict_of_a_checkpoint_is_read(saved):
    epic = {
        "state_dict": STATE,
        "segment_count": 8,
        "modality": "RGB",
        "args": argparse.Namespace(dropout=0.5, arch="resnet50"),
        "epoch": 40,
    }
    path = saved(epic, "net.pth.tar", _use_new_zipfile_serialization=False)
    assert same(read_checkpoint(path))


def test_safetensors(tmp_path):
    save_file(dict(STATE), tmp_path / "net.safetensors")
    assert same(read_checkpoint(tmp_path / "net.safetensors"))


def test_nested_numpy_arrays(pickled):
    arrays = {
        "params": {"conv": {"kernel": np.arange(24, dtype="f4").reshape(2, 3, 4)}},
        "stats": {
            "fortran": np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)),
            "flags": np.array([True, False]),
            "scalar": np.array(3, dtype="i8"),
        },
    }
    read = read_checkpoint(pickled(arrays))
    assert set(read) == {"params/conv/kernel", "stats/fortran", "stats/flags", "stats/scalar"}
    assert torch.equal(read["params/conv/kernel"], torch.arange(24.0).view(2, 3, 4))
    assert torch.equal(read["stats/fortran"], torch.arange(6.0).view(2, 3).double())
    assert read["stats/flags"].tolist() == [True, False]
    assert read["stats/scalar"].item() == 3
    read["params/conv/kernel"].add_(1)  # its memory is its own


class Runs:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def gadget(module, name):
    """A pickle that calls `module.name("touch trace")`."""
    return (
        b"\x80\x04"
        + b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
        + b"\x93\x8c\x0btouch trace\x85R."
    )


GADGETS = [
    ("os", "system"),
    ("posix", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("numpy.testing._private.utils", "runstring"),
    ("numpy.f2py.crackfortran", "getlincoef"),
    ("numpy.f2py.capi_maps", "eval"),
    ("numpy", "load"),
    ("numpy", "memmap"),
    ("numpy", "ndarray.tofile"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "fromfile"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("operator", "attrgetter"),
]


@pytest.fixture
def inert(tmp_path, monkeypatch):
    """A working directory; a pickle that runs its call would leave a file `trace` in it."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "trace").exists()


@pytest.mark.usefixtures("inert")
@pytest.mark.parametrize(("module", "name"), GADGETS)
def test_a_pickle_runs_nothing(pickled, module, name):
    with pytest.raises(WeightsError, match=r"not a pickle of numpy arrays alone: .*It was not run"):
        read_checkpoint(pickled(gadget(module, name)))


@pytest.mark.usefixtures("inert")
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_call_next_to_arrays_is_refused_in_every_protocol(pickled, protocol):
    content = {"params": np.zeros(2, "f4"), "x": Runs(os.system, "touch trace")}
    with pytest.raises(WeightsError):
        read_checkpoint(pickled(content, protocol))


@pytest.mark.usefixtures("inert")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_pytorch_file_runs_nothing(saved, zipped):
    evil = {"state_dict": STATE, "args": Runs(os.system, "touch trace")}
    path = saved(evil, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"other than tensors.*\(\S*system\).*it was not run"):
        read_checkpoint(path)


@pytest.mark.usefixtures("inert")
def test_attributes_of_a_namespace_run_nothing(saved):
    evil = argparse.Namespace(arch=Runs(os.system, "touch trace"))
    with pytest.raises(WeightsError, match="it was not run"):
        read_checkpoint(saved({"state_dict": STATE, "args": evil}))


def test_a_whole_pickled_network_is_refused(saved):
    with pytest.raises(WeightsError, match="Save the network's `state_dict"):
        read_checkpoint(saved(nn.Linear(2, 2)))


@pytest.mark.parametrize(
    "content",
    [
        {"a": np.array([{}, 1], dtype=object)},
        {"a": np.array(["text"])},
        {"a": np.zeros(2, dtype=[("x", "f4")])},
        {"a": np.zeros(2, dtype="M8[s]")},
        {"a": [1.0, 2.0]},
        {"a": np.float32(1)},
        np.zeros(2, "f4"),
        {"a": 1},
    ],
    ids=["objects", "text", "record", "dates", "list", "scalar", "no keys", "number"],
)
def test_other_content_of_a_pickle_is_refused(pickled, content):
    with pytest.raises(WeightsError, match="not a pickle of numpy arrays alone"):
        read_checkpoint(pickled(content))


def test_endless_dictionaries_are_refused(pickled):
    endless = {}
    endless["again"] = endless
    wide = {"a": np.zeros(1, "f4")}
    for _ in range(28):
        wide = {"x": wide, "y": wide}
    for content in (endless, wide):
        with pytest.raises(WeightsError, match="nested too deep"):
            read_checkpoint(pickled(content))


def test_an_array_of_a_false_size_is_refused(pickled):
    honest = pickle.dumps({"a": np.zeros(100, "f4")}, 4)
    lying = honest.replace(b"K\x64\x85", b"K\xc8\x85")
    assert lying != honest
    with pytest.raises(WeightsError, match="cannot reshape"):
        read_checkpoint(pickled(lying))


@pytest.mark.parametrize("length", [0, 1, 5, 40, 60, 400])
@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "safetensors"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, kind, length):
    buffer = io.BytesIO()
    whole = tmp_path / "whole"
    if kind == "pickle":
        pickle.dump({"a": np.zeros(200, "f4")}, buffer)
    elif kind == "safetensors":
        save_file({"a": torch.zeros(200)}, whole)
        buffer.write(whole.read_bytes())
    else:
        torch.save({"a": torch.zeros(200)}, buffer, _use_new_zipfile_serialization=kind == "zip")
    path = tmp_path / "cut"
    path.write_bytes(buffer.getvalue()[:length])
    with pytest.raises(WeightsError):
        read_checkpoint(path)


def test_other_files_are_refused(tmp_path, saved):
    page = tmp_path / "net.pth"
    page.write_bytes(b"<!doctype html><title>404</title>")
    with pytest.raises(WeightsError, match="a web page"):
        read_checkpoint(page)
    with pytest.raises(WeightsError, match="There is no checkpoint"):
        read_checkpoint(tmp_path / "none")
    with zipfile.ZipFile(page, "w") as archive:
        archive.writestr("readme", "nothing")
    with pytest.raises(WeightsError, match="damaged or cut off"):
        read_checkpoint(page)
    for content in ([torch.zeros(1)], {}, torch.zeros(1)):
        with pytest.raises(WeightsError, match="not tensors by key"):
            read_checkpoint(saved(content))
    with pytest.raises(WeightsError, match=r"1 entries that are not tensors.*'epoch'"):
        read_checkpoint(saved({**STATE, "epoch": 3}))
