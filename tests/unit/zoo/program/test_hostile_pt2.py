"""Damaged, huge and malicious `.pt2` files: one clear error, and nothing of them is run."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.zoo.program.networks import SPEC, Convolutional
from torch import nn

from videovisual.errors import WeightsError
from videovisual.zoo.program import Program
from videovisual.zoo.program.pt2 import read_pt2

Members = dict[str, bytes]
MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network as torch.export.save writes it."""
    path = tmp_path_factory.mktemp("programs") / "net.pt2"
    clips = torch.randn(2, *SPEC.shape)
    dynamic = ({0: torch.export.Dim.AUTO},)
    torch.export.save(
        torch.export.export(Convolutional().eval(), (clips,), dynamic_shapes=dynamic), path
    )
    return path


@pytest.fixture
def members(saved: Path) -> Members:
    with zipfile.ZipFile(saved) as opened:
        return {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}


@pytest.fixture
def refuses(tmp_path: Path) -> Callable[..., None]:
    """Writes members as a `.pt2`, and expects one error with that text."""

    def check(members: Members, match: str, compression: int = zipfile.ZIP_STORED) -> None:
        path = tmp_path / "bad.pt2"
        with zipfile.ZipFile(path, "w", compression) as opened:
            for name, content in members.items():
                opened.writestr(f"bad/{name}", content)
        with pytest.raises(WeightsError, match=match):
            Program(*read_pt2(path))

    return check


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def changed(members: Members, name: str, change: Callable[[Any], object]) -> Members:
    document = json.loads(members[name])
    change(document)
    return {**members, name: json.dumps(document).encode()}


def nodes(document: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["graph_module"]["graph"]["nodes"]
    return found


def test_example_inputs_are_never_unpickled(members: Members, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "bomb.pt2"
    bombed = {**members, "data/sample_inputs/model.pt": pickle.dumps(Bomb(mark))}
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in bombed.items():
            opened.writestr(f"bomb/{name}", content)
    program = Program(*read_pt2(path)).eval()
    assert program(torch.randn(1, *SPEC.shape)).shape == (1, 3)
    assert not mark.exists()
    pickle.loads(bombed["data/sample_inputs/model.pt"])
    assert mark.exists(), "the bomb is none"


@pytest.mark.parametrize("config", [WEIGHTS, CONSTANTS])
def test_pickled_weights_and_constants_are_refused(
    config: str, members: Members, tmp_path: Path, refuses: Callable[..., None]
) -> None:
    mark = tmp_path / "ran"
    for place in ("weight_99", "tensor_99", "custom_obj_99", "opaque_obj_99"):
        entry = {"path_name": place, "is_param": False, "use_pickle": True, "tensor_meta": None}
        folder = config.rpartition("/")[0]
        bombed = {**members, f"{folder}/{place}": pickle.dumps(Bomb(mark))}
        refuses(
            changed(bombed, config, lambda given, entry=entry: given["config"].update(evil=entry)),
            "'evil' as a pickle, which could run code",
        )
    assert not mark.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.hub.load",
        "torch.load",
        "torch.ops.load_library",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.save.default",
        "torch.ops.aten.empty.memory_format",
        "torch.ops.aten.add.out",
        "torch.ops.aten.as_strided.default",
        "torch.ops.aten.rand.default",
        "torch.ops.aten.__class__.default",
        "torch.ops.aten.relu.__class__",
        "_operator.attrgetter",
        "math.__loader__",
        "#namespace:name",
        "builtins.eval",
    ],
)
def test_only_listed_operators_are_called(
    target: str, members: Members, refuses: Callable[..., None]
) -> None:
    evil = changed(members, MODEL, lambda given: nodes(given)[-1].update(target=target))
    refuses(evil, "which no program may")


def test_text_is_never_evaluated(members: Members, tmp_path: Path) -> None:
    """Sizes, guards and names, which torch evaluates or writes into Python code."""
    mark = tmp_path / "ran"
    code = f"__import__('os').mkdir({str(mark)!r})"

    def poison(document: Any) -> None:
        document["guards_code"] = [code]
        document["range_constraints"] = {code: {"min_val": 1, "max_val": 2}}
        graph = document["graph_module"]["graph"]
        graph["sym_int_values"] = {"s": {"as_expr": {"expr_str": code, "hint": None}}}
        for meta in graph["tensor_values"].values():
            meta["sizes"] = [{"as_expr": {"expr_str": code, "hint": None}}]
        text = json.dumps(document).replace('"conv3d"', json.dumps(f"a): {code} #"))
        document.clear()
        document.update(json.loads(text))

    path = tmp_path / "text.pt2"
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in changed(members, MODEL, poison).items():
            opened.writestr(f"text/{name}", content)
    assert Program(*read_pt2(path)).eval()(torch.randn(1, *SPEC.shape)).shape == (1, 3)
    assert not mark.exists()


def test_sizes_are_compared_before_anything_is_allocated(
    members: Members, refuses: Callable[..., None]
) -> None:
    def first(document: Any) -> Any:
        return next(iter(document["config"].values()))["tensor_meta"]

    huge = [{"as_int": 1 << 40}] * 2
    changes: list[Callable[[Any], object]] = [
        lambda given: first(given).update(sizes=huge, strides=[{"as_int": 0}] * 2),
        lambda given: first(given).update(storage_offset={"as_int": 1 << 40}),
        lambda given: first(given)["strides"].__setitem__(0, {"as_int": 1 << 40}),
    ]
    for change in changes:
        refuses(changed(members, WEIGHTS, change), "values for")
    refuses(
        changed(members, WEIGHTS, lambda given: first(given)["sizes"][0].update(as_int=-1)),
        "a size of",
    )


def test_zip_bombs_are_refused(members: Members, refuses: Callable[..., None]) -> None:
    bomb = {**members, "data/weights/weight_0": bytes(50_000_000)}
    refuses(bomb, "or is compressed", zipfile.ZIP_DEFLATED)


def test_a_lying_directory_is_refused(members: Members, saved: Path, tmp_path: Path) -> None:
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as opened:
        size = opened.getinfo("net/" + MODEL).file_size.to_bytes(4, "little")
    at = content.rindex(b"net/" + MODEL.encode()) - 22
    assert content[at : at + 4] == size
    content[at : at + 4] = (1 << 31).to_bytes(4, "little")
    path = tmp_path / "lies.pt2"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="other sizes than it has"):
        read_pt2(path)


def test_damaged_files_are_one_error(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    path = tmp_path / "cut.pt2"
    for content in (b"", b"PK", whole[:1000], whole[:-100], whole[100:], b"\0" * 1000):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"cut\.pt2"):
            read_pt2(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.write_bytes(flipped)
    with pytest.raises(WeightsError):
        Program(*read_pt2(path))


@pytest.mark.parametrize(
    "change",
    [
        lambda given: given.clear(),
        lambda given: given.update(graph_module=[]),
        lambda given: given["graph_module"]["graph"].update(nodes={}),
        lambda given: nodes(given)[3].update(inputs=None),
        lambda given: nodes(given)[3]["inputs"][0].update(arg={"as_tensor": {"name": "nobody"}}),
        lambda given: nodes(given)[3].update(outputs=[{"as_tensor": {"name": 7}}]),
        lambda given: nodes(given)[0]["inputs"][3].update(arg={"as_ints": ["a"]}),
        lambda given: nodes(given).reverse(),
        lambda given: given["graph_module"]["graph"].update(outputs=[{"as_int": 1}]),
        lambda given: given["schema_version"].update(major=99),
    ],
)
def test_malformed_documents_are_one_error(
    change: Callable[[Any], object], members: Members, refuses: Callable[..., None]
) -> None:
    refuses(changed(members, MODEL, change), "program")


def test_deep_documents_are_one_error(members: Members, refuses: Callable[..., None]) -> None:
    refuses({**members, MODEL: b"[" * 1_000_000}, "damaged")


def test_networks_in_training_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.pt2"
    for network in (nn.Sequential(nn.Dropout(), nn.Flatten()), Convolutional()):
        clips = torch.randn(2, *SPEC.shape)
        torch.export.save(torch.export.export(network.train(), (clips,)), path)
        with pytest.raises(WeightsError, match=r"network\.eval\(\)"):
            Program(*read_pt2(path))


def test_a_checkpoint_is_no_program(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(Convolutional().state_dict(), path)
    with pytest.raises(WeightsError, match=r"0 exported programs.*torch\.export\.save"):
        read_pt2(path)
