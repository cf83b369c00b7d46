"""A program's steps, read from the JSON of PyTorch's exporter.

PyTorch's own reader evaluates text of the file as Python (sizes, through SymPy), looks names up
anywhere in `torch`, and unpickles the example inputs. This one builds plain data: names that are
keys of dictionaries, numbers, and names of operators that `operators.find` looks up.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from videovisual.errors import WeightsError
from videovisual.utils.text import shown
from videovisual.zoo.program.operators import is_check

SCHEMA_MAJOR = 8
"""The version of the exporter's JSON that is read, of PyTorch 2.6 and later."""

MAX_STEPS = 20_000

DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    10: torch.complex64,
    11: torch.complex128,
    12: torch.bool,
    13: torch.bfloat16,
}
MEMORY_FORMATS: Mapping[int, torch.memory_format] = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
STRIDED = 7


@dataclass(frozen=True)
class Ref:
    """The value of that name."""

    name: str


DEVICE = Ref("device of the clips")
"""Stands for every device that a program names, so it runs wherever it is moved to."""


@dataclass(frozen=True)
class Step:
    """One call of an operator.

    Attributes:
        target: the operator's name.
        args, kwargs: literals, `Ref`s, and lists of both.
        outputs: names of the results; None for one that nothing reads.
        unpacks: whether the operator returns a sequence of results.
        scope: the calls of modules that it is in, the outermost first: the module's dotted name,
            with `@` and a number from the second call on.
    """

    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[str | None, ...]
    unpacks: bool
    scope: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A program without its tensors.

    Attributes:
        inputs: names of the clips, more than one for a network of several pathways.
        tensors: names of values with the dotted names of the weights, buffers and constants.
        steps: in the order of a pass.
        outputs: the answers.
        keys: the answers' keys, for a program that gives a dictionary.
        dtypes: of the values by name, as numbers of the exporter's.
    """

    inputs: tuple[str, ...]
    tensors: Mapping[str, str]
    steps: tuple[Step, ...]
    outputs: tuple[Any, ...]
    keys: tuple[str, ...] | None = None
    dtypes: Mapping[str, int] = field(default_factory=dict)


def refs(value: Any) -> Iterator[str]:
    """The names of all values in an argument."""
    if isinstance(value, Ref):
        yield value.name
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from refs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from refs(item)


def read_graph(document: Mapping[str, Any]) -> Graph:
    """The steps of an exported program.

    Args:
        document: the parsed `models/*.json` of a `.pt2`.

    Raises:
        WeightsError: it is damaged, of another version, or holds what a program may not do.
    """
    try:
        version = document["schema_version"]["major"]
        if version != SCHEMA_MAJOR:
            raise WeightsError(
                f"The program is of version {shown(version)} of PyTorch's export format, and "
                f"{SCHEMA_MAJOR} is read. Export the network again with PyTorch 2.9 or later."
            )
        return _Reader(document["graph_module"]).graph()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise WeightsError(
            f"The exported program is damaged: {type(error).__name__} {shown(error)}. Save it "
            "again with `torch.export.save`."
        ) from error


class _Reader:
    """Reads one graph and the graphs inside it, whose steps become the outer graph's own."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        self.module = module
        self.steps: list[Step] = []
        self.dtypes: dict[str, int] = {}

    def graph(self) -> Graph:
        graph, signature = self.module["graph"], self.module["signature"]
        inputs: list[str] = []
        tensors: dict[str, str] = {}
        for spec in signature["input_specs"]:
            kind, content = _only(spec)
            if kind == "user_input":
                input_kind, argument = _only(content["arg"])
                if input_kind == "as_tensor":
                    inputs.append(_text(argument["name"]))
                elif input_kind == "as_sym_int":
                    raise _refused("takes a number whose value may vary")
            elif kind in TENSOR_KINDS:
                tensors[_text(content["arg"]["name"])] = _text(content[TENSOR_KINDS[kind]])
            elif kind != "constant_input":
                raise _refused(f"takes {shown(kind)!r} beside tensors")
        for spec in signature["output_specs"]:
            kind, _ = _only(spec)
            if kind != "user_output":
                raise _refused(f"has the effect {shown(kind)!r}, as networks in training have")
        scope = {name: Ref(name) for name in (*inputs, *tensors)}
        outputs = self.read(graph, scope, "")
        return Graph(
            tuple(inputs), tensors, tuple(self.steps), outputs, self.keys(len(outputs)), self.dtypes
        )

    def keys(self, count: int) -> tuple[str, ...] | None:
        """The keys of a dictionary of answers; None where the answer is another or unknown."""
        (root, *_) = self.module["module_call_graph"]
        if not root["signature"]:
            return None
        spec = json.loads(root["signature"]["out_spec"])[1]
        keys = json.loads(spec["context"]) if spec["context"] else None
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            return None
        return tuple(keys) if len(keys) == count else None

    def read(self, graph: Mapping[str, Any], names: dict[str, Any], prefix: str) -> tuple[Any, ...]:
        """Add a graph's steps.

        Args:
            graph: the exporter's.
            names: what the names in the graph stand for; grows.
            prefix: of the names that are added.

        Returns:
            The graph's outputs.
        """
        for name, meta in graph["tensor_values"].items():
            self.dtypes[prefix + name] = _whole(meta["dtype"])
        before: tuple[str, ...] = ()
        for node in graph["nodes"]:
            if len(self.steps) >= MAX_STEPS:
                raise _refused(f"has more than {MAX_STEPS} steps")
            target = _text(node["target"])
            before = _scope(node["metadata"].get("nn_module_stack"), before)
            if target in WRAPPERS:
                self.unwrap(target, node, names, prefix)
                continue
            outputs, unpacks = _outputs(node["outputs"])
            for name in outputs:
                if name is not None:
                    names[name] = Ref(prefix + name)
            if is_check(target):
                continue
            arguments = [(each, self.value(each["arg"], names)) for each in node["inputs"]]
            keyword = [each.get("kind") == KEYWORD for each, _ in arguments]
            self.steps.append(
                Step(
                    target,
                    tuple(v for (_, v), named in zip(arguments, keyword, strict=True) if not named),
                    {
                        _text(each["name"]): v
                        for (each, v), named in zip(arguments, keyword, strict=True)
                        if named
                    },
                    tuple(None if name is None else prefix + name for name in outputs),
                    unpacks,
                    before,
                )
            )
        return tuple(self.value(each, names) for each in graph["outputs"])

    def unwrap(
        self, target: str, node: Mapping[str, Any], names: dict[str, Any], prefix: str
    ) -> None:
        """Add the steps of a region without gradients, or without autocast."""
        given = [each["arg"] for each in node["inputs"]]
        place = next(i for i, argument in enumerate(given) if "as_graph" in argument)
        options = [self.value(argument, names) for argument in given[:place]]
        if target == AUTOCAST and options[2]:
            raise _refused("computes a part of it in 16 bits, by autocast")
        inner = given[place]["as_graph"]
        inside = f"{prefix}{_text(inner['name'])}/"
        operands = [self.value(argument, names) for argument in given[place + 1 :]]
        parameters = [_name(argument) for argument in inner["graph"]["inputs"]]
        scope = dict(zip(parameters, operands, strict=True))
        results = self.read(inner["graph"], scope, inside)
        outputs, _ = _outputs(node["outputs"])
        for name, result in zip(outputs, results, strict=True):
            if name is None:
                continue
            names[name] = result
            is_tensor = isinstance(result, Ref) and result.name in self.dtypes
            if target == GRADIENTS and not options[0] and is_tensor:
                detached = prefix + name
                names[name] = Ref(detached)
                scope_of = self.steps[-1].scope if self.steps else ()
                self.steps.append(Step(DETACH, (result,), {}, (detached,), False, scope_of))

    def value(self, argument: Mapping[str, Any], names: Mapping[str, Any]) -> Any:
        kind, content = _only(argument)
        if kind in ("as_tensor", "as_name"):
            return names[content["name"] if kind == "as_tensor" else content]
        if kind == "as_tensors":
            return [names[each["name"]] for each in content]
        if kind in ("as_optional_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
            return [self.value(each, names) for each in content]
        if kind in ("as_sym_int", "as_sym_float", "as_sym_bool", "as_optional_tensor"):
            return self.value(content, names)
        return _literal(kind, content)


TENSOR_KINDS: Mapping[str, str] = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}
GRADIENTS = "torch.ops.higher_order.wrap_with_set_grad_enabled"
AUTOCAST = "torch.ops.higher_order.wrap_with_autocast"
WRAPPERS = (GRADIENTS, AUTOCAST)
DETACH = "torch.ops.aten.detach.default"
KEYWORD = 2
LITERALS: Mapping[str, type] = {"as_int": int, "as_float": float, "as_bool": bool, "as_string": str}


def _literal(kind: str, content: Any) -> Any:
    if kind in ("as_none", "as_device"):
        return None if kind == "as_none" else DEVICE
    if kind in LITERALS:
        # The exporter writes infinity and NaN as text.
        value = float(content) if kind == "as_float" else content
        if type(value) is not LITERALS[kind]:
            raise TypeError(f"{kind} is {shown(content)}")
        return value
    if kind.removesuffix("s") in LITERALS:
        return [_literal(kind.removesuffix("s"), each) for each in content]
    if kind == "as_scalar_type":
        return DTYPES[content]
    if kind == "as_memory_format":
        return MEMORY_FORMATS[content]
    if kind == "as_layout" and content == STRIDED:
        return torch.strided
    raise _refused(f"has an argument {shown(kind)!r}, as control flow has")


def _outputs(outputs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str | None, ...], bool]:
    if len(outputs) == 1 and "as_tensors" in outputs[0]:
        return tuple(_text(each["name"]) for each in outputs[0]["as_tensors"]), True
    names = tuple(None if "as_none" in each else _name(each) for each in outputs)
    return names, len(names) > 1


def _name(argument: Mapping[str, Any]) -> str:
    """The name of a tensor or a number."""
    kind, content = _only(argument)
    return _text(content["name"] if kind == "as_tensor" else content["as_name"])


def _scope(stack: str | None, before: tuple[str, ...]) -> tuple[str, ...]:
    """The calls of modules around a node: `KEY[@CALL],NAME,CLASS` of each, joined by `;`."""
    if not stack or stack.startswith("_empty"):
        return before
    calls = []
    for item in _text(stack).split(";"):
        key, name, _ = item.rsplit(",", 2)
        _, again, number = key.rpartition("@")
        if name:
            calls.append(f"{name}@{number}" if again and number.isdigit() else name)
    return tuple(calls)


def _only(union: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, content),) = union.items()
    return kind, content


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{shown(value)} is no name")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{shown(value)} is no number")
    return value


def _refused(what: str) -> WeightsError:
    return WeightsError(
        f"The exported program {what}. Export the network in evaluation mode, in float32, for "
        "clips alone."
    )
