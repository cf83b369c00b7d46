"""Similar names, for error messages that suggest a correction."""

import difflib
from collections.abc import Iterable


def nearest(name: str, allowed: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` allowed names that are most similar to `name`, best first."""
    by_folded = {candidate.lower(): candidate for candidate in allowed}
    close = difflib.get_close_matches(name.lower(), by_folded, n=count, cutoff=0.5)
    return [by_folded[folded] for folded in close]
