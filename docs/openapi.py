"""Generates `openapi.yaml` beside this file from protocol, errors and methods: `make docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from videovisual.server.asgi.openapi import document

PAGE = Path(__file__).with_suffix(".yaml")

HEAD = "# Written by docs/openapi.py from the protocol. Don't edit it: run `make docs`.\n"


def page() -> str:
    """The document as YAML."""
    return HEAD + yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )


class _Dumper(yaml.SafeDumper):
    """Writes multi-line text as a block, and never uses aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
