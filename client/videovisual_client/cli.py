"""The command `videovisual`."""

import importlib
from typing import Any, NoReturn

import click

from videovisual.errors import VideoVisualError
from videovisual.version import __version__
from videovisual_client import exits
from videovisual_client.terminal import AS_JSON, log, print_json

COMMANDS = (
    "serve",
    "explainer",
    "models",
    "methods",
    "classify",
    "explain",
    "compare",
    "evaluate",
    "bulk",
    "verify",
    "keys",
    "diff",
    "audit",
    "archive",
    "bench",
    "doctor",
    "train_motion",
    "ui",
    "completion",
)
"""Modules of `videovisual_client.commands`, each with a command of its name."""

WIDTH = 100
"""Widest help text, in characters."""


class SystemFailed(VideoVisualError, code="system_error"):
    """What the operating system refuses where no other error says more."""


class Commands(click.Group):
    """Prints a `VideoVisualError` as one line, and exits with its status."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command named on the line."""
        try:
            return super().invoke(context)
        except VideoVisualError as error:
            _report(context, error)
        except BrokenPipeError:
            # The reader of a pipe has gone; click ends the command without a word.
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _report(context, SystemFailed(f"{where}{error.strerror or error}"))
        except KeyboardInterrupt:
            log.print("interrupted")
            context.exit(exits.INTERRUPTED)


def _report(context: click.Context, error: VideoVisualError) -> NoReturn:
    if context.meta.get(AS_JSON):
        print_json(error.as_json())
    log.print(f"[bold red]{error.code}[/]: ", end="")
    log.print(error.message, markup=False)
    context.exit(exits.status(error))


@click.group(cls=Commands, epilog=exits.TABLE, context_settings={"max_content_width": WIDTH})
@click.version_option(__version__, prog_name="videovisual")
def main() -> None:
    """Serve video classifiers together with their explanations.

    \b
    From nothing to a picture:
      videovisual doctor
      videovisual explain clip.mp4 --model i3d-kinetics400 --local -o strip.png
    With a server, in two terminals:
      videovisual serve i3d-kinetics400
      videovisual explain clip.mp4 --model i3d-kinetics400 --key-file KEY_FILE -o overlay.mp4
    Completion in the shell: eval "$(videovisual completion bash)"
    """


for name in COMMANDS:
    module = importlib.import_module(f"videovisual_client.commands.{name}")
    main.add_command(getattr(module, name))
