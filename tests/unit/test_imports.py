"""Which module may import which; every rule is also shown to fail on a planted import."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest
from docs import rooms
from docs.rooms import Import, imports, room

TREE = rooms.sources()
OPTIONS = "videovisual.protocol.options"
KNOW_OPTIONS = {"api", "pipeline", "protocol", "server", "videovisual_client"}
"""`api` passes a caller's options to the pipeline; the client sends them to a server."""
LIGHT = ("videovisual_client", "videovisual.protocol", "videovisual.render")
"""What loads no torch; `videovisual` itself neither, which `tests/unit/client` runs."""

ADAPTERS = (
    "videovisual.server.asgi.",
    "videovisual_client.asgi_server",
    "videovisual_client.viewer.",
)
"""What knows Starlette or uvicorn; no service does."""

ON_RAY = ("videovisual.server.asgi.ray_serve", "videovisual_client.bulk.run")

Tree = Mapping[str, str]


def circles(graph: Mapping[str, set[str]]) -> Iterator[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield " → ".join(error.args[1])


def no_circle_of_modules(tree: Tree) -> Iterator[str]:
    graph: dict[str, set[str]] = {module: set() for module in tree}
    for found in imports(tree):
        if found.module in tree and found.module != found.importer:
            graph[found.importer].add(found.module)
    yield from circles(graph)


def no_circle_of_rooms(tree: Tree) -> Iterator[str]:
    yield from circles(rooms.rooms(tree))


def refused(tree: Tree, importer: str, *imported: str) -> Iterator[str]:
    for found in imports(tree):
        if room(found.importer) == importer and room(found.module) in imported:
            yield f"{found.importer} imports {found.module}"


def the_engine_does_not_know_the_server(tree: Tree) -> Iterator[str]:
    yield from refused(tree, "engine", "server")


def methods_know_neither_server_nor_pipeline(tree: Tree) -> Iterator[str]:
    yield from refused(tree, "attribution", "server", "pipeline")


def protocol_and_client_load_no_torch(tree: Tree) -> Iterator[str]:
    """Follows what runs when a module is imported, the packages around it included."""
    loaded: dict[str, set[str]] = {module: set() for module in tree}
    for found in imports(tree):
        if found.at_import:
            loaded[found.importer].add(found.module)
    for start in tree:
        if not start.startswith(LIGHT):
            continue
        seen: set[str] = set()
        todo = [start]
        while todo:
            module = todo.pop()
            if module.partition(".")[0] == "torch":
                yield f"{start} loads torch"
            if module not in seen:
                seen.add(module)
                todo += [module.rpartition(".")[0], *loaded.get(module, ())]


def options_are_known_to_few(tree: Tree) -> Iterator[str]:
    options = {name for name in _defined(tree[OPTIONS]) if not name.startswith("_")}

    def knows(found: Import) -> bool:
        if found.module == "videovisual.protocol":
            return not found.name or found.name in options
        return found.module == OPTIONS

    for found in imports(tree):
        if knows(found) and room(found.importer) not in KNOW_OPTIONS:
            yield f"{found.importer} imports {found.name or found.module}"


def only_the_handler_knows_torchserve(tree: Tree) -> Iterator[str]:
    for found in imports(tree):
        if found.module.partition(".")[0] == "ts" and found.importer != "video_handler":
            yield f"{found.importer} imports {found.module}"


def only_adapters_know_a_web_server(tree: Tree) -> Iterator[str]:
    for found in imports(tree):
        web = found.module.partition(".")[0] in {"starlette", "uvicorn", "python_multipart"}
        if web and not found.importer.startswith(ADAPTERS):
            yield f"{found.importer} imports {found.module}"


def only_bulk_runs_know_ray(tree: Tree) -> Iterator[str]:
    for found in imports(tree):
        if found.module.partition(".")[0] == "ray" and not found.importer.startswith(ON_RAY):
            yield f"{found.importer} imports {found.module}"


def _defined(text: str) -> Iterator[str]:
    """The names that a module's own statements define, without those that it imports."""
    for node in ast.parse(text).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


PLANTED: list[tuple[Callable[[Tree], Iterator[str]], str, str]] = [
    (no_circle_of_modules, "videovisual.clips.limits", "def f(): import videovisual.clips.opening"),
    (no_circle_of_rooms, "videovisual.zoo.card", "from videovisual.motion import training"),
    (no_circle_of_rooms, "videovisual.motion.picture", "import videovisual.zoo.card"),
    (the_engine_does_not_know_the_server, "videovisual.engine.job", "import videovisual.server"),
    (
        methods_know_neither_server_nor_pipeline,
        "videovisual.attribution.rise",
        "def f():\n    from videovisual import pipeline",
    ),
    (
        methods_know_neither_server_nor_pipeline,
        "videovisual.attribution.rise",
        "if True:\n    from videovisual.server import settings",
    ),
    (protocol_and_client_load_no_torch, "videovisual.protocol.npz", "import torch.nn"),
    (protocol_and_client_load_no_torch, "videovisual.utils.extras", "from torch import nn"),
    (options_are_known_to_few, "videovisual.render.panel", "from videovisual import protocol"),
    (
        options_are_known_to_few,
        "videovisual.engine.engine",
        "from videovisual.protocol import Options",
    ),
    (only_the_handler_knows_torchserve, "videovisual.server.metrics", "from ts import context"),
    (only_bulk_runs_know_ray, "videovisual_client.bulk.worker", "def f(): import ray.data"),
    (only_adapters_know_a_web_server, "videovisual.server.service", "import starlette.types"),
]
RULES = list(dict.fromkeys(rule for rule, _, _ in PLANTED))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Callable[[Tree], Iterator[str]]) -> None:
    assert list(rule(TREE)) == []


@pytest.mark.parametrize(("rule", "module", "line"), PLANTED)
def test_a_planted_import_breaks_the_rule(
    rule: Callable[[Tree], Iterator[str]], module: str, line: str
) -> None:
    assert list(rule({**TREE, module: f"{TREE[module]}\n{line}\n"}))


def test_imports_for_type_checkers_are_not_counted() -> None:
    text = "if TYPE_CHECKING:\n    import torch\nelse:\n    import json\ndef f(): import re"
    assert imports({"videovisual.made": text}) == [
        Import("videovisual.made", "re", "", at_import=False),
        Import("videovisual.made", "json", "", at_import=True),
    ]
