"""Builds the modules of a program from its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from videovisual.errors import WeightsError
from videovisual.utils.text import shown
from videovisual.zoo.program.graph import DEVICE, Graph, Ref, Step, refs
from videovisual.zoo.program.layers import CONVOLUTIONS, arguments, frozen, layer_of
from videovisual.zoo.program.operators import SIZE_OPERATORS, find, name_of
from videovisual.zoo.program.scope import Call, Scope

END = 1 << 62
"""The place of what is read after the last step."""


@dataclass(frozen=True)
class _Run:
    """Steps `start` to `end` of a program, which are inside the first `depth` calls of modules."""

    start: int
    end: int
    depth: int


def build(root: Scope, graph: Graph, tensors: Mapping[str, torch.Tensor]) -> None:
    """Fill a scope with a program's steps and modules.

    Args:
        root: an empty scope; it takes the program's clips, and their device.
        graph: the program.
        tensors: its weights, buffers and constants by the names of the values.

    Raises:
        WeightsError: a step may not be in a program, reads what no step before gave, or is one of
            training; or the answer is no tensor.
    """
    _Builder(graph, tensors).fill(root, _Run(0, len(graph.steps), 0))
    answers = tuple(each.name for each in graph.outputs if isinstance(each, Ref))
    if len(answers) != len(graph.outputs) or not answers or set(answers) & set(tensors):
        raise WeightsError(
            "The exported program gives constants, not scores of its input. Export a network whose "
            "answer depends on the clips."
        )
    root._inputs, root._outputs = (*graph.inputs, DEVICE.name), answers


class _Builder:
    def __init__(self, graph: Graph, tensors: Mapping[str, torch.Tensor]) -> None:
        self.steps = graph.steps
        self.tensors = tensors
        self.reads = [tuple(dict.fromkeys(refs([s.args, s.kwargs]))) for s in graph.steps]
        self.last = {name: place for place, names in enumerate(self.reads) for name in names}
        self.last |= dict.fromkeys(refs(graph.outputs), END)
        self.made = dict.fromkeys((*graph.inputs, DEVICE.name), -1)
        self.convolved: set[str] = set()
        for place, step in enumerate(graph.steps):
            unknown = [n for n in self.reads[place] if n not in self.made and n not in tensors]
            if unknown:
                raise WeightsError(
                    f"The exported program is damaged: its step {place} reads "
                    f"{shown(unknown[0])!r}, which no step before gave. Save it again."
                )
            self.made |= dict.fromkeys((name for name in step.outputs if name is not None), place)
            if name_of(step.target) in CONVOLUTIONS:
                self.convolved.update(name for name in step.outputs if name is not None)

    def fill(self, scope: Scope, run: _Run) -> None:
        """Give a scope the calls of a run."""
        scope._inputs, scope._outputs = self.inputs(run), self.outputs(run)
        calls: list[Call] = []
        place = run.start
        while place < run.end:
            inner = self.inner(run, place)
            if inner is None:
                calls.append(self.call(scope, place, run.depth))
                place += 1
            else:
                calls.append(self.module_call(scope, inner))
                place = inner.end
        scope._calls = tuple(self.ended(scope, calls))

    def inner(self, run: _Run, place: int) -> _Run | None:
        """The run of the module that a step is in, inside the run; None for the run's own step."""
        depth = run.depth + 1
        calls = self.steps[place].scope[:depth]
        if len(calls) < depth:
            return None
        end = place
        while end < run.end and self.steps[end].scope[:depth] == calls:
            end += 1
        return _Run(place, end, depth)

    def module_call(self, scope: Scope, run: _Run) -> Call:
        calls = self.steps[run.start].scope
        outer = calls[run.depth - 2].partition("@")[0] if run.depth > 1 else ""
        name = calls[run.depth - 1]
        inside = name.removeprefix(f"{outer}.") if outer else name
        alone = run.end - run.start == 1 and len(calls) == run.depth
        if alone and (call := self.layer_call(scope, run.start, inside)):
            return call
        inner = Scope()
        self.fill(inner, run)
        place = _add(scope, inside, inner)
        inputs = tuple(Ref(each) for each in inner._inputs)
        return Call(place, inputs, {}, inner._outputs, len(inner._outputs) != 1, ())

    def call(self, scope: Scope, place: int, depth: int) -> Call:
        step = self.steps[place]
        _check_evaluation(step)
        layer = self.layer_call(scope, place, step.outputs[0] or step.target.rpartition(".")[2])
        if layer is not None:
            return layer
        for name in self.reads[place]:
            if name in self.tensors and name not in scope._weights:
                scope._weights[name] = _add_weight(scope, name, self.tensors[name])
        return Call(find(step.target), step.args, step.kwargs, step.outputs, step.unpacks, ())

    def layer_call(self, scope: Scope, place: int, name: str) -> Call | None:
        step = self.steps[place]
        _check_evaluation(step)
        found = layer_of(step, self.tensors, self.convolved, self.last)
        if found is None:
            return None
        layer, source = found
        return Call(_add(scope, name, layer.eval()), (source,), {}, step.outputs[:1], False, ())

    def inputs(self, run: _Run) -> tuple[str, ...]:
        read = dict.fromkeys(name for names in self.reads[run.start : run.end] for name in names)
        return tuple(
            name for name in read if name not in self.tensors and self.made[name] < run.start
        )

    def outputs(self, run: _Run) -> tuple[str, ...]:
        made = (name for step in self.steps[run.start : run.end] for name in step.outputs)
        return tuple(name for name in made if name and self.last.get(name, -1) >= run.end)

    def ended(self, scope: Scope, calls: Sequence[Call]) -> list[Call]:
        """The calls with the names of what each is the last to read, or to give in vain."""
        kept = {*scope._outputs, *scope._weights}
        result: list[Call] = []
        for call in reversed(calls):
            names = [name for name in (*refs([call.args, call.kwargs]), *call.outputs) if name]
            ends = tuple(dict.fromkeys(name for name in names if name not in kept))
            kept.update(ends)
            result.append(
                Call(call.function, call.args, call.kwargs, call.outputs, call.unpacks, ends)
            )
        return result[::-1]


def _check_evaluation(step: Step) -> None:
    if step.target in SIZE_OPERATORS:
        return
    given = arguments(step)
    if given.get("train") or given.get("training") or given.get("dropout_p"):
        raise WeightsError(
            f"The exported program calls {name_of(step.target)!r} as in training. Export it after "
            "`network.eval()`."
        )


def _add(scope: nn.Module, name: str, module: nn.Module) -> str:
    """Add a module by its dotted name, which gets a `_` where it is taken; returns the name."""
    *folders, last = name.split(".")
    parent, path = scope, []
    for folder in folders:
        held = folder if folder in parent._modules else _free(parent, folder)
        if held not in parent._modules:
            parent.add_module(held, nn.Module())
        parent = parent.get_submodule(held)
        path.append(held)
    path.append(_free(parent, last))
    parent.add_module(path[-1], module)
    return ".".join(path)


def _add_weight(scope: nn.Module, name: str, tensor: torch.Tensor) -> str:
    name = _free(scope, name.replace(".", "_"))
    scope.register_parameter(name, frozen(tensor))
    return name


def _free(scope: nn.Module, name: str) -> str:
    while hasattr(scope, name):
        name += "_"
    return name
