"""The options that several commands have."""

import dataclasses
import functools
import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from videovisual.attribution import catalogue
from videovisual.evidence.keys import KEY_VARIABLE
from videovisual.names import MODELS, own_models
from videovisual.protocol import names_in
from videovisual.utils.extras import needs
from videovisual.utils.streams import content
from videovisual.utils.suffixes import RECORD_SUFFIX
from videovisual_client import exits
from videovisual_client.base_client import BaseClient
from videovisual_client.client import Client
from videovisual_client.commands.columns import columns
from videovisual_client.exchange import DEFAULT_URL
from videovisual_client.result import PICTURES, RECORD
from videovisual_client.terminal import json_option, store_option

CommandClip = Path | bytes
"""CLIP on the command line: a path, or the content of a pipe."""

Function = TypeVar("Function", bound=Callable[..., None])
Option = Callable[[Function], Function]
Name = TypeVar("Name")


@dataclass(frozen=True)
class Place:
    """Where the model runs: on a server, or in this process."""

    url: str
    token: str | None
    key_file: Path | None
    local: bool
    device: str | None
    store: Path
    poll: bool = False

    def check(self, other: str = "") -> None:
        """Check that what `--local` needs is installed.

        Args:
            other: an extra that the command needs too, so that one message names both.

        Raises:
            MissingExtra: it is not.
        """
        if self.local:
            with needs(f"server,{other}".strip(","), "Without them, leave out --local."):
                importlib.import_module("videovisual.server.service")

    def open(self) -> BaseClient:
        """The client.

        Raises:
            AuthenticationFailed: the key file cannot be read.
            MissingExtra: `--local` without the extra `server`.
        """
        if not self.local:
            return Client(self.url, token=self.token, key_file=self.key_file, poll=self.poll)
        if self.poll:
            raise click.UsageError("--poll is for a server. Leave it out with --local.")
        from videovisual_client.local import Local  # noqa: PLC0415

        return Local(self.device, self.store)


@dataclass(frozen=True)
class RunOptions:
    """How a folder of clips is run.

    Attributes:
        concurrency: how many clips at once.
        fresh: whether to run clips again that have a finished result.
        labels_from: a list of the clips with their labels.
    """

    concurrency: int
    fresh: bool
    labels_from: Path | None


class ClipPath(click.Path):
    """The path of a clip, or the bytes of a pipe or of standard input (`-`)."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, or the bytes."""
        path = super().convert(value, param, ctx)
        streamed = content(path)
        return path if streamed is None else streamed


def _complete(names: Callable[[], Sequence[str]]) -> Any:
    """Completes a name, also one after a comma."""

    def complete(
        _context: click.Context, _parameter: click.Parameter, typed: str
    ) -> list[CompletionItem]:
        head, comma, last = typed.rpartition(",")
        return [CompletionItem(f"{head}{comma}{name}") for name in names() if name.startswith(last)]

    return complete


METHODS = tuple(entry.name for entry in catalogue.ENTRIES)

complete_models = _complete(lambda: (*MODELS, *own_models()))
complete_methods = _complete(lambda: METHODS)

server_options: list[Option[Any]] = [
    click.option(
        "--url",
        default=DEFAULT_URL,
        show_default=True,
        envvar="VIDEOVISUAL_URL",
        help="Inference address.",
    ),
    click.option("--token", envvar="VIDEOVISUAL_TOKEN", help="Inference key."),
    click.option(
        "--key-file",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="VIDEOVISUAL_KEY_FILE",
        help="TorchServe's key_file.json; expired keys are renewed by it.",
    ),
]

_place_options: list[Option[Any]] = [
    *server_options,
    click.option(
        "--poll", is_flag=True, help="As a job, by short requests, for gateways that cut long ones."
    ),
    click.option("--local", is_flag=True, help="Run the model here, without a server."),
    click.option("--device", help="Where --local runs it: cpu, cuda, …  [a GPU if there is one]"),
    store_option,
]

MODEL_HELP = "A name of `videovisual models`, or of an archive of your own."

clip_argument: Option[Any] = click.argument(
    "clip", type=ClipPath(exists=True, allow_dash=True, path_type=Path)
)

answer_options: list[Option[Any]] = [
    click.option("--model", required=True, shell_complete=complete_models, help=MODEL_HELP),
    click.option("--top-k", default=5, show_default=True, type=click.IntRange(1, 1000)),
    click.option("--frames", type=int, help="How many frames the model sees.  [its own number]"),
    click.option("--start", "start_s", type=float, help="Where the clip starts, in seconds."),
    click.option("--end", "end_s", type=float, help="Where the clip ends, in seconds."),
    click.option(
        "--as-stored",
        "as_shown",
        is_flag=True,
        callback=lambda _context, _parameter, stored: False if stored else None,
        help="The file's pixels as stored: not cropped, stretched, turned or mapped from HDR.",
    ),
    click.option("--timeout", "timeout_s", type=float, help="Seconds after which to give up."),
    json_option,
]

_run_options: list[Option[Any]] = [
    click.option(
        "--concurrency",
        type=click.IntRange(1, 64),
        default=2,
        show_default=True,
        help="Of a folder of clips, how many at once.",
    ),
    click.option("--fresh", is_flag=True, help="Of a folder of clips, run finished ones again."),
    click.option(
        "--labels-from",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Of a folder of clips, a list: lines `path label`, or a CSV such as Kinetics'.",
    ),
]

_method_options: list[Option[Any]] = [
    click.option("--target", multiple=True, help="Class name, index or top1; may be repeated."),
    click.option("--seed", type=int, help="Seed of all randomness."),
    click.option(
        "--polarity",
        type=click.Choice(["positive", "negative", "both"]),
        help="Which side of a signed map.  [both]",
    ),
    click.option(
        "--window",
        type=click.Choice(["centre", "best"]),
        help="Which part of a longer clip: its centre, or where the target is likeliest.  [centre]",
    ),
    click.option("-p", "--param", multiple=True, metavar="NAME=VALUE", help="A parameter."),
    click.option("--steps", type=int, help="Short for -p steps=…"),
    click.option("--area", type=float, help="Short for -p area=…"),
    click.option("--baseline", help="Short for -p baseline=…"),
    click.option("--layer", help="Short for -p layer=…"),
]

method_option: Option[Any] = click.option(
    "--method",
    multiple=True,
    shell_complete=complete_methods,
    metavar="NAME",
    help=f"{', '.join(METHODS)}; may be repeated; `videovisual methods` says more.  "
    f"[{catalogue.DEFAULT}]",
)

map_option: Option[Any] = click.option(
    "--map/--no-map",
    "maps",
    default=True,
    help="With --json, whether the maps' values are printed: megabytes.  [--map]",
)

sign_option: Option[Any] = click.option(
    "--sign-with",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="KEY",
    help=f"Private key of `videovisual keys new` that signs {RECORD_SUFFIX}, or the records of "
    f"--format {RECORD}.  [${KEY_VARIABLE}]",
)

results_option: Option[Any] = click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Of a folder of clips, the folder of the results.",
)


def output_options(files: str, default: str = "") -> Callable[[Function], Function]:
    """The options `--output`, `--format` and `--columns`; `files` begins the help of the first."""
    return all_options(
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            multiple=True,
            help=f"{files} Of a folder of clips, the folder of the results.  [results]",
        ),
        click.option(
            "--format",
            "formats",
            type=click.Choice((*PICTURES, RECORD)),
            multiple=True,
            help=f"Of a folder of clips, files to make of each; may be repeated.{default}",
        ),
        click.option(
            "--columns",
            type=columns,
            metavar="N|TIMES",
            help="How many frames a png, pdf or svg shows, or their times: `6`, `0.2,0.84`.  [8]",
        ),
    )


def all_options(*options: Option[Any]) -> Callable[[Function], Function]:
    """Several options at once, in this order in the help."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def bundled(
    name: str, kind: type[Any], options: Sequence[Option[Any]]
) -> Callable[[Function], Function]:
    """Options that a command gets as one object: the argument `name`, a dataclass `kind`."""

    def decorate(function: Function) -> Any:
        @functools.wraps(function)
        def command(**values: Any) -> None:
            own = {field.name: values.pop(field.name) for field in dataclasses.fields(kind)}
            function(**{name: kind(**own)}, **values)

        return all_options(*options)(command)

    return decorate


with_place = bundled("place", Place, _place_options)
with_run = bundled("run", RunOptions, _run_options)


def with_method(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a method, and pass its parameters among the other options."""

    @functools.wraps(function)
    def command(target: tuple[str, ...], param: tuple[str, ...], **others: Any) -> None:
        others["target"] = [name for text in target or ["top1"] for name in names_in(text)]
        for name, value in map(pair, param):
            if others.get(name) is not None:
                raise click.UsageError(f"{name} is given twice: leave out --{name} or -p {name}=….")
            others[name] = value
        function(**others)

    return all_options(*_method_options)(command)


def clip_command(*options: Option[Any]) -> Callable[[Callable[..., None]], click.Command]:
    """A command about a clip, with more options."""

    def decorate(function: Callable[..., None]) -> click.Command:
        command = all_options(clip_argument, *answer_options, *options, with_place)(function)
        return click.command(epilog=exits.TABLE)(command)

    return decorate


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}


def one_or_all(names: Sequence[Name]) -> Name | list[Name]:
    """A single name as it is, so that messages about it contain no list."""
    return names[0] if len(names) == 1 else list(names)


def pair(text: str) -> tuple[str, str]:
    """A parameter on the command line, `NAME=VALUE`."""
    name, separator, value = text.partition("=")
    if not separator or not re.fullmatch(r"[a-z_]+", name):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    return name, value
