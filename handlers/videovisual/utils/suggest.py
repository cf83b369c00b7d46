"""Similar names, for error messages that suggest a correction."""

import difflib
import re
from collections.abc import Iterable

from videovisual.utils.text import LONGEST


def nearest(name: str, allowed: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` allowed names that are most similar to `name`, best first.

    Names that begin with `name` come first, then those with a word that does, then those that
    differ by a few letters. Case and separators don't count.
    """
    wanted = _fold(name[:LONGEST])
    names = list(dict.fromkeys(allowed))
    folded = [_fold(candidate) for candidate in names]
    found = [index for index, text in enumerate(folded) if wanted and text.startswith(wanted)]
    found += [index for index, text in enumerate(folded) if wanted and f" {wanted}" in text]
    close = difflib.get_close_matches(wanted, folded, n=count, cutoff=0.5)
    found += [index for text in close for index, other in enumerate(folded) if other == text]
    return [names[index] for index in dict.fromkeys(found)][:count]


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """The sentence ` Nearest: …` of a message, with its leading space; empty if none is near."""
    near = nearest(name, allowed)
    return f" Nearest: {', '.join(near)}." if near else ""


def _fold(name: str) -> str:
    return " ".join(re.split(r"[\W_]+", name.lower())).strip()
