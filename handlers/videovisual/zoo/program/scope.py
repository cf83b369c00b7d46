"""One module of a program."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from videovisual.zoo.program.graph import Ref


@dataclass(frozen=True)
class Call:
    """A step, or a call of a module, ready to run.

    Attributes:
        function: the operator, or the dotted name of a module in the scope.
        args, kwargs: literals, `Ref`s, and lists of both.
        outputs: names of the results; None for one that nothing reads.
        unpacks: whether the result is a sequence.
        ends: names of values that no later call reads.
    """

    function: Callable[..., Any] | str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[str | None, ...]
    unpacks: bool
    ends: tuple[str, ...]


class Scope(nn.Module):
    """One module of the original network: its steps, and the modules that it calls.

    It takes the values that its steps read from outside, and returns those that are read outside,
    which are those of the original module.
    """

    def __init__(self) -> None:
        super().__init__()
        self._inputs: tuple[str, ...] = ()
        self._outputs: tuple[str, ...] = ()
        self._calls: tuple[Call, ...] = ()
        self._weights: dict[str, str] = {}

    def forward(self, *inputs: Any) -> Any:
        """Run the calls in order."""
        values = dict(zip(self._inputs, inputs, strict=True))
        for name, attribute in self._weights.items():
            values[name] = self._parameters[attribute]
        for call in self._calls:
            function = call.function
            if isinstance(function, str):
                function = self.get_submodule(function)
            result = function(
                *(_with_values(value, values) for value in call.args),
                **{key: _with_values(value, values) for key, value in call.kwargs.items()},
            )
            results = result if call.unpacks else (result,)
            # An operator may return more than the program reads.
            for output, each in zip(call.outputs, results, strict=False):
                if output is not None:
                    values[output] = each
            for ended in call.ends:
                del values[ended]
        outputs = tuple(values[name] for name in self._outputs)
        return outputs[0] if len(outputs) == 1 else outputs


def _with_values(value: Any, values: Mapping[str, Any]) -> Any:
    if type(value) is Ref:
        return values[value.name]
    if type(value) is list:
        return [_with_values(each, values) for each in value]
    return value
