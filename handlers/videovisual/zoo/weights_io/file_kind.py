"""What a file that is no checkpoint really is, and what to do with it."""

import re
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

STATE_DICT = "Load it in your own Python, and save `torch.save(network.state_dict(), FILE)`"
TORCH_ONLY = "Only PyTorch's weights are read. Convert it to a `state_dict()` first."
UNPACK = "Unpack it, and give the checkpoint that is in it."

BEGINNINGS: Mapping[bytes, tuple[str, str]] = {
    rb"(\xef\xbb\xbf)?\s*<(!doctype|!--|\?xml|[a-z]+[ >])": (
        "a web page, probably of an error or a confirmation",
        "Download the file itself: open its address in a browser.",
    ),
    rb"version https://git-lfs": (
        "a pointer of Git LFS, not the file itself",
        "Run `git lfs pull` in its repository.",
    ),
    rb"\x89HDF\r\n\x1a\n": ("an HDF5 file, as Keras saves", TORCH_ONLY),
    rb"\x1f\x8b": ("compressed with gzip", "Run `gunzip` on it first."),
    rb"BZh\d1AY&SY": ("compressed with bzip2", "Run `bunzip2` on it first."),
    rb"\xfd7zXZ\0": ("compressed with xz", "Run `unxz` on it first."),
    rb"\x28\xb5\x2f\xfd": ("compressed with zstd", "Run `unzstd` on it first."),
    rb"7z\xbc\xaf\x27\x1c": ("a 7z archive", UNPACK),
    rb"Rar!": ("a RAR archive", UNPACK),
    rb"\x93NUMPY": ("a single numpy array", STATE_DICT + "."),
    rb"GGUF": ("a GGUF file of a language model", TORCH_ONLY),
    rb"....TFL3": ("a TensorFlow Lite model", TORCH_ONLY),
    rb"\x08[\x01-\x20]\x12[\x01-\x40][ -~]": ("an ONNX model", TORCH_ONLY),
    rb"model_checkpoint_path:": ("the index of a TensorFlow checkpoint", TORCH_ONLY),
    rb"\s*\{": ("JSON text, such as an index or a configuration", "Give the weights' own file."),
}
"""Patterns of a file's first bytes → what it is, what to do."""

SUFFIXES: Mapping[str, tuple[str, str]] = {
    r".*\.onnx": ("an ONNX model", TORCH_ONLY),
    r".*\.(index|data-\d+-of-\d+)": ("a part of a TensorFlow checkpoint", TORCH_ONLY),
    r".*\.(pb|tflite|h5|keras|mlmodel)": ("a model of another framework", TORCH_ONLY),
    r".*\.safetensors": (
        "not in the format safetensors, or it is damaged",
        "Download it again, or save it with `safetensors.torch.save_file`.",
    ),
}
"""The same for names, where the bytes say nothing."""

MEMBERS: Mapping[str, tuple[str, str]] = {
    r"(.*/)?constants\.pkl|(.*/)?code/.*": (
        "TorchScript, which holds a program",
        STATE_DICT + " of the network `torch.jit.load(FILE)`.",
    ),
    r"(.*/)?(serialized_exported_program\.json|archive_format|models/.*\.json)": (
        "an exported program (.pt2)",
        STATE_DICT + " of the program `torch.export.load(FILE)`.",
    ),
    r"MAR-INF/MANIFEST\.json": (
        "an archive for TorchServe (.mar)",
        "Serve it as it is, or give the checkpoint that it was built from.",
    ),
    r"(.*/)?model\.weights\.h5": ("a Keras model", TORCH_ONLY),
    r".*\.npy": ("an npz file of numpy arrays", STATE_DICT + "."),
    r".*\.(pth|pt|tar|ckpt|bin|safetensors|h5)": ("a zip archive of files", UNPACK),
}
"""The same for the names of a zip file's members, the first that fits."""


def describe(path: Path) -> str | None:
    """A sentence on what the file is and one on what to do; None where that isn't known."""
    with path.open("rb") as file:
        start = file.read(64)
    found: tuple[str, str] | None = None
    if not start:
        found = "empty", "Download it again."
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        found = _first(MEMBERS, names)
    elif tarfile.is_tarfile(path):
        found = "a tar archive", UNPACK
    else:
        flags = re.DOTALL | re.IGNORECASE
        kinds = (kind for begin, kind in BEGINNINGS.items() if re.match(begin, start, flags))
        found = next(kinds, None) or _first(SUFFIXES, [path.name.lower()])
    return found and f"{path.name} is {found[0]}. {found[1]}"


def _first(kinds: Mapping[str, tuple[str, str]], names: list[str]) -> tuple[str, str] | None:
    fitting = (
        kind for form, kind in kinds.items() if any(re.fullmatch(form, name) for name in names)
    )
    return next(fitting, None)
