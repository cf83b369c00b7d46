"""Packages that not every installation has: one way to say which extra brings them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from videovisual.errors import MissingExtra

REASONS = {
    "pictures": "Arrays and pictures need numpy and Pillow",
    "video": "Videos need PyAV",
    "server": "This needs the server's packages",
    "ui": "The viewer needs its own packages",
}
"""What the extras of pyproject.toml are for."""

OURS = ("videovisual", "videovisual_client")


def install_command(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'videovisual[{extra}]'"


@contextmanager
def needs(extra: str, instead: str = "") -> Iterator[None]:
    """Put around imports: a package that is not installed becomes an error that says what to do.

    Args:
        extra: the extra that brings the package.
        instead: a sentence about what can be done without it.

    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OURS:
            raise
        advice = f"{REASONS[extra]}: {install_command(extra)}."
        raise MissingExtra(f"{advice} {instead}".rstrip(), extra=extra) from error
