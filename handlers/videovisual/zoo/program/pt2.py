"""Reads a `.pt2`, the zip file of `torch.export.save`, without unpickling or running anything.

`torch.export.load` unpickles the example inputs, and weights and constants of special types. Here
the example inputs are ignored, and weights are read as bytes of the sizes that the file declares,
after these sizes were compared with those of the file.
"""

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from videovisual.errors import WeightsError
from videovisual.utils.text import shown
from videovisual.zoo.archived import MAX_PROGRAM
from videovisual.zoo.program.graph import DTYPES, STRIDED

MAX_MEMBERS = 100_000
ENCRYPTED = 1
ADVICE = "Save the network with `torch.export.save` of PyTorch 2.9 or later, and give that file."

State = dict[str, torch.Tensor]


def read_pt2(file: Path | IO[bytes]) -> tuple[dict[str, Any], State]:
    """A program's JSON, and its weights, buffers and constants by name.

    Args:
        file: path of a `.pt2`, or its open file.

    Raises:
        WeightsError: it is no `.pt2`, is damaged, declares other sizes than it has, or holds what
            would have to be unpickled.
    """
    name = file.name if isinstance(file, Path) else "the program"
    try:
        with zipfile.ZipFile(file) as opened:
            return _Archive(opened, name).read()
    except (
        *(zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RecursionError),
        *(KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError),
    ) as error:
        raise WeightsError(
            f"{name} is damaged, or no exported program: {shown(error)}. {ADVICE}", path=str(file)
        ) from error


class _Archive:
    def __init__(self, opened: zipfile.ZipFile, name: str) -> None:
        self.opened, self.name = opened, name
        self.members = {member.filename: member for member in opened.infolist()}
        assert opened.fp is not None
        length = opened.fp.seek(0, 2)
        stored = sum(member.file_size for member in self.members.values())
        packed = any(member.compress_type != zipfile.ZIP_STORED for member in self.members.values())
        # `torch.export.save` stores its members as they are, so no member is larger than the file.
        if packed or stored > length or len(opened.infolist()) > MAX_MEMBERS:
            raise self.refused("declares other sizes than it has, or is compressed")
        if any(member.flag_bits & ENCRYPTED for member in self.members.values()):
            raise self.refused("is encrypted")
        self.root = next(iter(self.members), "").partition("/")[0]
        self.data: dict[str, bytearray] = {}

    def read(self) -> tuple[dict[str, Any], State]:
        folder = f"{self.root}/models/"
        models = [n for n in self.members if n.startswith(folder) and n.endswith(".json")]
        if len(models) != 1:
            raise self.refused(
                f"holds {len(models)} exported programs, not one: it is a checkpoint, a compiled "
                "package, or a file of an older PyTorch"
            )
        order = f"{self.root}/byteorder"
        if order in self.members and self.opened.read(order) != b"little":
            raise self.refused("was saved on a machine whose bytes have another order")
        model = models[0].removeprefix(folder).removesuffix(".json")
        state = {
            **self.tensors("weights", f"{model}_weights_config.json"),
            **self.tensors("constants", f"{model}_constants_config.json"),
        }
        return slim(self.json(models[0])), state

    def tensors(self, folder: str, config: str) -> State:
        place = f"{self.root}/data/{folder}/"
        entries = self.json(place + config)["config"]
        return {name: self.tensor(name, place, entry) for name, entry in entries.items()}

    def tensor(self, name: str, place: str, entry: Mapping[str, Any]) -> torch.Tensor:
        meta = entry["tensor_meta"]
        if entry["use_pickle"] or meta is None:
            raise self.refused(
                f"holds {shown(name)!r} as a pickle, which could run code and was not read"
            )
        if meta["layout"] != STRIDED or meta["dtype"] not in DTYPES:
            raise self.refused(f"holds {shown(name)!r} in a layout or type that is not read")
        dtype = DTYPES[meta["dtype"]]
        sizes, strides = _sizes(meta["sizes"]), _sizes(meta["strides"])
        (offset,) = _sizes([meta["storage_offset"]])
        member = place + entry["path_name"]
        count = self.members[member].file_size // dtype.itemsize
        last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        empty = 0 in sizes
        if not empty and (math.prod(sizes) > count or last >= count):
            raise self.refused(
                f"has {count} values for {shown(name)!r}, whose shape is {shown(list(sizes))}"
            )
        if empty:
            return torch.empty(sizes, dtype=dtype)
        if member not in self.data:
            self.data[member] = bytearray(self.opened.read(member))
        flat = torch.frombuffer(self.data[member], dtype=dtype, count=count)
        return flat.as_strided(sizes, strides, offset)

    def json(self, member: str) -> Any:
        if self.members[member].file_size > MAX_PROGRAM:
            raise self.refused(f"has more than {MAX_PROGRAM >> 20} MB of {shown(member)}")
        return json.loads(self.opened.read(member))

    def refused(self, what: str) -> WeightsError:
        return WeightsError(f"{self.name} {what}. {ADVICE}", path=str(self.opened.filename))


def _sizes(entries: Any) -> tuple[int, ...]:
    sizes = tuple(entry["as_int"] for entry in entries)
    if not all(type(size) is int and 0 <= size < 1 << 48 for size in sizes):
        raise ValueError(f"a size of {shown(sizes)}")
    return sizes


UNUSED = frozenset(
    (
        *("sym_int_values", "sym_bool_values", "sym_float_values", "custom_obj_values"),
        *("guards_code", "range_constraints", "opset_version", "verifiers"),
        "treespec_namedtuple_fields",
    )
)


def slim(document: Any) -> Any:
    """The exporter's JSON without what is not read: traces of the source, shapes, guards."""
    if isinstance(document, list):
        return [slim(each) for each in document]
    if not isinstance(document, dict):
        return document
    kept = {key: value for key, value in document.items() if key not in UNUSED}
    if "module_call_graph" in kept:
        kept["module_call_graph"] = kept["module_call_graph"][:1]
    if isinstance(kept.get("metadata"), dict):
        stack = kept["metadata"].get("nn_module_stack")
        kept["metadata"] = {"nn_module_stack": stack} if stack else {}
    if isinstance(kept.get("tensor_values"), dict):
        metas = kept["tensor_values"].items()
        return {
            **{key: slim(value) for key, value in kept.items() if key != "tensor_values"},
            "tensor_values": {name: {"dtype": meta["dtype"]} for name, meta in metas},
        }
    return {key: slim(value) for key, value in kept.items()}
