"""Draws the packages and who imports whom into `architecture.md`: `python -m docs.rooms`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = ("handlers", "client", "archive_scripts")
PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- rooms: python -m docs.rooms -->\n"
END = "<!-- end of rooms -->\n"
COLUMN, WIDTH = 20, 82

OWN_ROOM = {"videovisual.motion.training": "motion/training"}
"""Modules that are drawn apart from their package.

`motion.training` trains the zoo's models on Motion, so it imports `zoo`, which imports `motion` for
the classes' names. Nothing in `motion` imports it, and archives leave it out.
"""
EVERYWHERE = ("errors", "utils")


class Import(NamedTuple):
    """One imported name.

    Attributes:
        importer: the module with the statement.
        module: the module that is imported, ours or another's.
        name: what is taken from it; empty for the module itself.
        at_import: whether the statement runs when the importer is imported.
    """

    importer: str
    module: str
    name: str
    at_import: bool


def sources() -> dict[str, str]:
    """The source text of every module, by its dotted name."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path.read_text("utf-8")
    return found


def imports(tree: Mapping[str, str]) -> list[Import]:
    """Every import of these modules, those inside functions too, without `if TYPE_CHECKING`."""
    return [found for module, text in tree.items() for found in _imports(module, text, tree)]


def _imports(importer: str, text: str, tree: Iterable[str]) -> Iterator[Import]:
    todo: list[tuple[ast.AST, bool]] = [(ast.parse(text), True)]
    while todo:
        node, at_import = todo.pop()
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                todo += [(child, at_import) for child in node.orelse]
                continue
            case ast.Import():
                for alias in node.names:
                    yield Import(importer, alias.name, "", at_import)
            case ast.ImportFrom(module=str(module)):
                for alias in node.names:
                    whole = f"{module}.{alias.name}"
                    taken = (whole, "") if whole in tree else (module, alias.name)
                    yield Import(importer, *taken, at_import)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                at_import = False
        todo += [(child, at_import) for child in ast.iter_child_nodes(node)]


def room(module: str) -> str:
    """The room that a module is in: a package of `videovisual`, or a module beside them."""
    top, _, rest = module.partition(".")
    return OWN_ROOM.get(module) or (
        rest.partition(".")[0] if top == "videovisual" and rest else top
    )


def rooms(tree: Mapping[str, str]) -> dict[str, set[str]]:
    """Each room with the rooms that it imports."""
    graph: dict[str, set[str]] = {room(module): set() for module in tree}
    for found in imports(tree):
        if found.module in tree and room(found.module) != room(found.importer):
            graph[room(found.importer)].add(room(found.module))
    return graph


def picture(tree: Mapping[str, str]) -> str:
    """The rooms in groups: a room imports only rooms of groups below its own.

    `errors` and `utils`, which nearly all rooms import, are left out after the arrows.

    Raises:
        graphlib.CycleError: two rooms import each other.
    """
    graph = rooms(tree)
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    groups: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        sorter.done(*ready)
        groups.append("\n".join(line for name in ready for line in _lines(name, graph, tree)))
    return "\n\n".join(reversed(groups))


def _lines(name: str, graph: Mapping[str, set[str]], tree: Mapping[str, str]) -> Iterator[str]:
    apart = {own: module for module, own in OWN_ROOM.items()}
    module = apart.get(name) or (name if name in tree else f"videovisual.{name}")
    title = (ast.get_docstring(ast.parse(tree[module])) or "").partition("\n\n")[0]
    imported = sorted(graph[name] - set(EVERYWHERE))
    texts = [title, f"→ {', '.join(imported)}"] if imported else [title]
    lines = [line for text in texts for line in wrap(text, WIDTH - COLUMN)]
    for first, line in zip_longest([name], lines, fillvalue=""):
        yield f"{first:{COLUMN}}{line}"


def page(old: str, tree: Mapping[str, str]) -> str:
    """The page with its picture drawn anew, between the two markers."""
    before, rest = old.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n```\n{picture(tree)}\n```\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8"), sources()), "utf-8")
