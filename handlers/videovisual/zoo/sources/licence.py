"""The licence in a repository's README, whose front matter names it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

UNKNOWN = "not known"
SPDX = {
    text.lower(): text
    for text in (
        *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "GPL-3.0", "AGPL-3.0", "LGPL-3.0"),
        *("CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0"),
        *("CC0-1.0", "OpenRAIL", "Unlicense"),
    )
}
"""SPDX identifiers by the Hub's spelling, which is in lower case."""

PUBLISHED: Mapping[str, str] = {
    "MCG-NJU/videomae": "CC-BY-NC-4.0",
    "facebook/timesformer": "CC-BY-NC-4.0",
}
"""The licences of published weights, by the beginning of the repository's name, for repositories
whose README doesn't name one."""

MAX_BYTES = 2**20


def licence(repository: str, readme: Path | None) -> str:
    """The licence of a repository's weights, in words.

    Args:
        repository: `OWNER/NAME`, or a folder's name.
        readme: its README.md, if there is one.
    """
    named = _named(_front_matter(readme)) if readme else None
    known = (text for start, text in PUBLISHED.items() if repository.startswith(start))
    return named or next(known, UNKNOWN)


def _front_matter(readme: Path) -> Mapping[str, Any]:
    with readme.open("rb") as file:
        text = file.read(MAX_BYTES).decode("utf-8", "replace")
    found = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    try:
        held = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return held if isinstance(held, Mapping) else {}


def _named(about: Mapping[str, Any]) -> str | None:
    given = about.get("license")
    names = given if isinstance(given, list) else [given]
    if names == ["other"]:
        names = [about.get("license_name") or "other"]
    spelt = [SPDX.get(name.lower(), name) for name in names if isinstance(name, str) and name]
    return " and ".join(spelt)[:100] or None
