"""The advice to install an extra: who follows it gets on."""

from __future__ import annotations

import ast
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from docs import rooms
from docs.rooms import _imports
from packaging.requirements import Requirement
from PIL import Image
from tests import light
from tests.unit.client.fake_server import FakeServer, explain_or_classify
from tests.unit.clips.makers import encode

from videovisual import motion
from videovisual.utils.extras import REASONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
IMPORTED_AS = {
    "pillow": ("PIL",),
    "torchserve": ("ts",),
    "torch-model-archiver": ("model_archiver",),
    "pyyaml": ("yaml",),
    "rerun-sdk": ("rerun",),
    "mlflow-skinny": ("mlflow",),
}
"""The modules of distributions that have another name."""

TREE = rooms.sources()
IMPORTS = list(rooms.imports(TREE))
BASE = ("click", "httpx", "pydantic", "pydantic_core", "rich", "anyio", "httpcore")
"""The modules of the base install that are imported inside `needs`."""


EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
    "project"
]["optional-dependencies"]


def modules(extra: str) -> set[str]:
    """The modules that an extra, or `several,extras`, installs."""
    found: set[str] = set()
    for requirement in (Requirement(text) for name in extra.split(",") for text in EXTRAS[name]):
        name = requirement.name.lower()
        if name == "videovisual":
            for inner in requirement.extras:
                found |= modules(inner)
        else:
            found |= set(IMPORTED_AS.get(name, (name.replace("-", "_"),)))
    return found


def advised(text: str) -> str:
    """The extra of the advice in a message."""
    (extra,) = re.findall(r"\[([\w,]+)\]'?", text)
    return extra


def calls(name: str) -> Iterator[tuple[str, str, ast.AST]]:
    """Every call of a function with an extra: the module, the extra, and what is around it."""
    for module, text in TREE.items():
        for node in ast.walk(ast.parse(text)):
            inside = (
                [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
            )
            for call in inside or ([node] if name == "install_command" else []):
                match call:
                    case ast.Call(func=ast.Name(id=found), args=[ast.Constant(str(extra)), *_]):
                        if found == name:
                            yield module, extra, node


def closure(starts: set[str]) -> set[str]:
    """What is imported when modules are imported, outside of this project, by top-level name."""
    at_import: dict[str, set[str]] = {}
    for found in IMPORTS:
        if found.at_import:
            at_import.setdefault(found.importer, set()).add(found.module)
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        module = todo.pop()
        if module and module not in seen:
            seen.add(module)
            todo += [module.rpartition(".")[0], *at_import.get(module, ())]
    return {name for name in seen if "." not in name and name not in TREE}


def test_every_extra_of_a_message_is_one_of_the_distribution() -> None:
    named = {extra for name in ("needs", "install_command") for _, extra, _ in calls(name)}
    assert named >= {"pictures", "video", "server", "ui", "java"}
    assert {each for extra in named for each in extra.split(",")} <= EXTRAS.keys()
    assert REASONS.keys() <= EXTRAS.keys()


@pytest.mark.parametrize(
    ("module", "extra", "block"),
    [pytest.param(*call, id=f"{call[0]}:{call[2].lineno}") for call in calls("needs")],
)
def test_an_extra_brings_what_the_block_imports(module: str, extra: str, block: ast.AST) -> None:
    own = {
        found.module for found in _imports("block", "\n".join(map(ast.unparse, block.body)), TREE)
    }
    own |= {
        call.args[0].value
        for call in ast.walk(block)
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", "") == "import_module"
        and isinstance(call.args[0], ast.Constant)
    }
    needed = closure(own) - set(sys.stdlib_module_names) - set(BASE) - {"__future__"}
    assert needed <= modules(extra), f"{module} asks for the extra {extra}"


LOCAL = ["--model", "tsm-motion", "--local"]
QUICK = [*LOCAL, "--method", "gradient"]
COMMANDS: dict[str, list[list[str]]] = {
    "server": [
        ["explain", "clip.npz", *QUICK, "-o", "strip.mp4"],
        ["explain", ".", *QUICK, "--format", "png"],
        ["compare", "clip.npz", *LOCAL, "--methods", "gradient"],
        ["serve", "no-such-model"],
        ["archive", "no-such-model"],
        ["archive", "--list"],
        ["train-motion", "no-such-model"],
    ],
    "video": [
        ["explain", "clip.avi", "--model", "m", "-o", "strip.png"],
        ["explain", "clip.npz", "--model", "m", "-o", "strip.mp4"],
        ["explain", "clips", "--model", "m", "--format", "png"],
        ["compare", "clip.avi", "--model", "m"],
    ],
    "pictures": [["explain", "clips/frames", "--model", "m", "-o", "strip.png"]],
    "ui": [["ui", "--port", "PORT"]],
    "server,ui": [["ui", "--local", "--port", "PORT"]],
}


@pytest.fixture
def place(tmp_path: Path, fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A working directory with clips, a server, and a port in use; yields the port."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("VIDEOVISUAL_URL", fake.url)
    monkeypatch.setenv("VIDEOVISUAL_TOKEN", "")
    fake.handler = explain_or_classify
    np.savez(tmp_path / "clip.npz", frames=motion.sample(4).frames)
    frames = tmp_path / "clips" / "frames"
    frames.mkdir(parents=True)
    for index in range(2):
        Image.new("RGB", (8, 8)).save(frames / f"{index}.png")
    for film in (tmp_path / "clip.avi", tmp_path / "clips" / "film.avi"):
        film.write_bytes(encode())
    with socket.socket() as taken:
        # The viewer says that it can't start there.
        taken.bind(("127.0.0.1", 0))
        yield str(taken.getsockname()[1])


def asked(commands: list[list[str]], installed: set[str]) -> list[str | None]:
    """The extra that each command asks for where only some modules are installed."""
    refused = [name for name in light.REFUSED if name not in installed]
    told = [done.stderr for done in light.videovisual(*commands, refused=refused)]
    assert len(told) == len(commands)
    return [advised(text) if "missing_extra" in text else None for text in told]


@pytest.fixture
def words(place: str) -> dict[str, list[list[str]]]:
    return {
        extra: [[place if word == "PORT" else word for word in command] for command in commands]
        for extra, commands in COMMANDS.items()
    }


def test_each_command_asks_for_what_it_needs(words: dict[str, list[list[str]]]) -> None:
    flat = [(extra, command) for extra, commands in words.items() for command in commands]
    assert asked([command for _, command in flat], set()) == [extra for extra, _ in flat]


@pytest.mark.slow
@pytest.mark.parametrize("extra", COMMANDS)
def test_one_advice_is_enough(words: dict[str, list[list[str]]], extra: str) -> None:
    assert asked(words[extra], modules(extra)) == [None] * len(words[extra])
