"""The command `videovisual keys`."""

from pathlib import Path

import click

from videovisual.errors import InvalidParameter
from videovisual.evidence import PublicKey, SigningKey
from videovisual.evidence.keys import KEY_VARIABLE, PRIVATE, PUBLIC
from videovisual_client.terminal import json_option, out, print_json


@click.group()
def keys() -> None:
    """Make and show the keys that sign evidence records.

    \b
    Examples: videovisual keys new laboratory
              videovisual keys show laboratory.pub
    """


@keys.command()
@click.argument("name", type=click.Path(path_type=Path), default=Path("videovisual"))
@json_option
def new(name: Path, as_json: bool) -> None:
    """Make a key pair: NAME.key, which only you may read, and NAME.pub beside it.

    Keep NAME.key secret: with --sign-with, in $VIDEOVISUAL_SIGNING_KEY, or as `signing_key` in a
    server's settings it signs records. Give NAME.pub to who verifies them.

    \b
    Example: videovisual keys new laboratory
    """
    key = SigningKey.new()
    private, public = key.save(name)
    if as_json:
        print_json({"id": key.id, "private": str(private), "public": str(public)})
        return
    out.print(f"{key.id}", markup=False, soft_wrap=True)
    out.print(f"private: {private} (keep it secret; ${KEY_VARIABLE} may name it)", soft_wrap=True)
    out.print(f"public:  {public}", soft_wrap=True)


@keys.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def show(path: Path, as_json: bool) -> None:
    """Show the id of the key in a file, as records have it.

    \b
    Example: videovisual keys show laboratory.pub
    """
    kind, key_id = _found(path)
    if as_json:
        print_json({"id": key_id, "kind": kind})
    else:
        out.print(f"{key_id} ({kind} key)", markup=False, soft_wrap=True)


def _found(path: Path) -> tuple[str, str]:
    """The kind and the id of a key.

    Raises:
        InvalidParameter: the file holds none.
    """
    if path.suffix == PRIVATE:
        return "private", SigningKey.read(path).id
    try:
        return "public", PublicKey.read(path).id
    except InvalidParameter:
        if path.suffix == PUBLIC:
            raise
        return "private", SigningKey.read(path).id
