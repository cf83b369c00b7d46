"""The command `videovisual completion`."""

import os

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_VIDEOVISUAL_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the script that completes commands, options, models and methods in SHELL.

    The default SHELL is that of $SHELL.

    \b
    Examples: eval "$(videovisual completion bash)"     # in ~/.bashrc
              eval "$(videovisual completion zsh)"      # in ~/.zshrc
              videovisual completion fish > ~/.config/fish/completions/videovisual.fish
    """
    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    kind = get_completion_class(name)
    if kind is None:
        raise click.UsageError(f"No completion for {name!r}. Name one of {', '.join(SHELLS)}.")
    root = click.get_current_context().find_root()
    click.echo(kind(root.command, {}, "videovisual", VARIABLE).source())
