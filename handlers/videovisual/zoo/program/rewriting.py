"""Makes a program free of side effects, and leaves out what no answer needs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from videovisual.errors import WeightsError
from videovisual.zoo.program.graph import Graph, Ref, Step, refs
from videovisual.zoo.program.operators import ATEN, SIZE_OPERATORS, changes_argument, find, name_of

KEEPS_ITS_INPUT = ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")
"""Return their input itself in evaluation mode, which their schemas don't say."""

VIEWS = ("view", "_unsafe_view")


def rewritten(graph: Graph) -> Graph:
    """The same program, with pure steps where that is possible.

    - A step that writes into a tensor, as `relu_` does, becomes one that returns a new tensor,
      unless other names of that memory are read later, as in `x[:, 0] = y`.
    - `view`, which fails for other strides than the exporter saw, becomes `reshape`, so clips and
      weights may have any memory format. It stays where that memory is written to.
    - Steps that no answer needs are left out.
    - Sizes that depend on the clips' shape alone are computed first.

    Raises:
        WeightsError: the program writes into its weights or buffers, as in training.
    """
    graph = _functional(replace(graph, steps=_needed(graph.steps, graph.outputs)))
    return replace(graph, steps=_sizes_first(graph.inputs, graph.steps))


def _functional(graph: Graph) -> Graph:
    memory = _memory(graph)
    sharing: defaultdict[str, set[str]] = defaultdict(set)
    for name, root in memory.items():
        sharing[root].add(name)
    last_read = {name: i for i, step in enumerate(graph.steps) for name in _read(step)}
    last_read |= dict.fromkeys(refs(graph.outputs), len(graph.steps))
    names: dict[str, str] = {}
    written: set[str] = set()
    steps: list[Step] = []
    for place, step in enumerate(graph.steps):
        renamed = _renamed(step, names)
        if changes_argument(step.target) and step.args and isinstance(step.args[0], Ref):
            changed, result = step.args[0].name, step.outputs[0]
            assert result is not None
            if memory[changed] in graph.tensors:
                raise WeightsError(
                    "The exported program changes its own weights or buffers, as networks in "
                    "training do. Export it after `network.eval()`."
                )
            now = names.get(changed, changed)
            same = {name for name in sharing[memory[changed]] if names.get(name, name) == now}
            same.add(result)
            if any(last_read.get(name, 0) > place for name in sharing[memory[changed]] - same):
                written.add(memory[changed])
            else:
                names |= dict.fromkeys(same, result)
                overload = step.target.rpartition(".")[2]
                name = name_of(step.target).removesuffix("_")
                renamed = replace(renamed, target=f"{ATEN}{name}.{overload}")
        steps.append(renamed)
    outputs = tuple(_with(names, each) for each in graph.outputs)
    steps = [
        replace(step, target=f"{ATEN}reshape.default")
        if name_of(step.target) in VIEWS
        and step.target.endswith(".default")
        and memory[step.outputs[0] or ""] not in written
        else step
        for step in steps
    ]
    own = {name: Ref(f"{name} (copy)") for name in graph.inputs if name in written}
    copies = [
        Step(f"{ATEN}clone.default", (Ref(name),), {}, (copy.name,), False, ())
        for name, copy in own.items()
    ]
    to_copies = {name: copy.name for name, copy in own.items()}
    return replace(
        graph, steps=(*copies, *(_renamed(step, to_copies) for step in steps)), outputs=outputs
    )


def _memory(graph: Graph) -> dict[str, str]:
    """For each value, the name of the one whose memory it may share."""
    memory = {name: name for name in (*graph.inputs, *graph.tensors)}
    for step in graph.steps:
        shared = next((name for name in _read(step) if name in memory), None)
        if shared is not None and not _may_share(step, shared, graph.dtypes):
            shared = None
        for name in step.outputs:
            if name is not None:
                memory[name] = name if shared is None else memory[shared]
    return memory


def _may_share(step: Step, source: str, dtypes: Mapping[str, int]) -> bool:
    if step.target in SIZE_OPERATORS:
        return False
    if changes_argument(step.target) or name_of(step.target) in KEEPS_ITS_INPUT:
        return True
    if name_of(step.target) == "to" and dtypes.get(source) != dtypes.get(step.outputs[0] or ""):
        return False
    returns = find(step.target)._schema.returns  # type: ignore[attr-defined]
    return any(each.alias_info is not None for each in returns)


def _needed(steps: Sequence[Step], outputs: tuple[Any, ...]) -> tuple[Step, ...]:
    needed = set(refs(outputs))
    kept: list[Step] = []
    for step in reversed(steps):
        if changes_argument(step.target) or needed.intersection(step.outputs):
            needed.update(_read(step))
            kept.append(step)
    return tuple(reversed(kept))


def _sizes_first(inputs: Sequence[str], steps: Sequence[Step]) -> tuple[Step, ...]:
    known = set(inputs)
    first: list[Step] = []
    rest: list[Step] = []
    for step in steps:
        if step.target in SIZE_OPERATORS and known.issuperset(_read(step)):
            known.update(name for name in step.outputs if name is not None)
            first.append(replace(step, scope=()))
        else:
            rest.append(step)
    return (*first, *rest)


def _read(step: Step) -> list[str]:
    return list(refs([step.args, step.kwargs]))


def _renamed(step: Step, names: Mapping[str, str]) -> Step:
    return replace(step, args=_with(names, step.args), kwargs=_with(names, step.kwargs))


def _with(names: Mapping[str, str], value: Any) -> Any:
    """A value whose references have new names."""
    if isinstance(value, Ref):
        return Ref(names.get(value.name, value.name))
    if isinstance(value, Mapping):
        return {key: _with(names, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with(names, item) for item in value)
    return value
