"""Files of other kinds than thought are called by their name, and nothing in them is run."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from videovisual.errors import WeightsError
from videovisual.zoo.weights_io.checkpoint import read_checkpoint

NET = nn.Linear(2, 2)


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def torchscript():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(NET, torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


def exported():
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(NET, (torch.zeros(1, 2),)), buffer)
    return buffer.getvalue()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("net.pth"))
    return buffer.getvalue()


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(2))
    return buffer.getvalue()


def npy():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(2))
    return buffer.getvalue()


FILES = {
    "script.pt": (torchscript, "is TorchScript, .*torch.jit.load"),
    "program.pt2": (exported, r"an exported program \(\.pt2\)\..*torch.export.load"),
    "whole.pth": (lambda: saved(NET), "perhaps a whole network; it was not run"),
    "page.pth": (lambda: b"\n <!DOCTYPE html><html>", "a web page"),
    "bare.pth": (lambda: b"<html lang=en>", "a web page"),
    "denied.pth": (lambda: b'<?xml version="1.0"?><Error>', "a web page"),
    "lfs.pth": (lambda: b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    "keras.h5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "model.keras": (lambda: zipped(model_dot_weights_dot_h5=b"", config=b""), "a Keras model"),
    "net.onnx": (lambda: b"\x08\x07\x12\x07pytorch\x1a\x03" + bytes(99), "an ONNX model"),
    "renamed.pth": (lambda: b"\x08\x08\x12\x07pytorch\x1a\x03" + bytes(99), "an ONNX model"),
    "net.tflite": (lambda: b"\x1c\0\0\0TFL3" + bytes(99), "TensorFlow Lite"),
    "model.ckpt.index": (lambda: bytes(99), "part of a TensorFlow checkpoint"),
    "model.ckpt.data-00000-of-00001": (lambda: bytes(99), "part of a TensorFlow checkpoint"),
    "saved_model.pb": (lambda: bytes(99), "another framework"),
    "net.pth.gz": (lambda: gzip.compress(saved({"a": torch.zeros(2)})), "gunzip"),
    "net.zip": (lambda: zipped(net_dot_pth=saved({})), "a zip archive of files"),
    "real.pth.tar": (tarred, "a tar archive"),
    "served.mar": (lambda: zipped(**{"MAR-INF__MANIFEST_dot_json": b"{}"}), "archive for TorchS"),
    "a.npz": (npz, "an npz file"),
    "a.npy": (npy, "a single numpy array"),
    "index.json": (lambda: json.dumps({"weight_map": {}}).encode(), "JSON text"),
    "empty.pth": (lambda: b"", "is empty"),
    "empty.safetensors": (lambda: b"", "is empty"),
    "not.safetensors": (lambda: bytes(99), "not in the format safetensors, or it is damaged"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_kind_is_named(tmp_path, name):
    content, message = FILES[name]
    (tmp_path / name).write_bytes(content())
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(tmp_path / name)


def test_a_folder_is_named(tmp_path):
    with pytest.raises(WeightsError, match="is a folder"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("zipped_file", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["net.safetensors", "net.onnx", "net.h5", "net"])
def test_a_pytorch_file_is_read_under_any_name(tmp_path, name, zipped_file):
    state = {"a": torch.arange(3.0)}
    torch.save(state, tmp_path / name, _use_new_zipfile_serialization=zipped_file)
    assert torch.equal(read_checkpoint(tmp_path / name)["a"], state["a"])


def test_a_pickle_is_not_mistaken(tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"a": np.zeros(2, "f4")}))
    assert read_checkpoint(tmp_path / "a.pth")["a"].tolist() == [0, 0]
