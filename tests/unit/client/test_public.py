"""The public names of the client."""

from __future__ import annotations

import re
from pathlib import Path

import videovisual_client
from videovisual import errors as server_errors
from videovisual_client import errors

NAMES = """
    Accepted AsyncClient AsyncJob AuthenticationFailed Cancelled Classification Client ClipTooShort
    ConnectionFailed DeadlineExceeded Explained InvalidParameter InvalidRequest InvalidTarget Job
    MalformedClip MissingExtra Overloaded Partial Progress ServerFailed TimedOut Timeouts TooLarge
    UnknownMethod UnknownModel UnknownOutput UnsupportedMedia VideoVisualError
"""


def test_the_exported_names() -> None:
    assert sorted(videovisual_client.__all__) == sorted(NAMES.split())
    for name in videovisual_client.__all__:
        assert hasattr(videovisual_client, name)


def test_both_clients_have_the_same_methods() -> None:
    import inspect

    for name in ("__init__", "classify", "explain", "submit", "explain_many"):
        blocking = inspect.signature(getattr(videovisual_client.Client, name)).parameters
        awaited = inspect.signature(getattr(videovisual_client.AsyncClient, name)).parameters
        assert list(blocking) == list(awaited)
        assert [p.default for p in blocking.values()] == [p.default for p in awaited.values()]


def drawn(text: str) -> dict[str, int]:
    """The classes of a drawn tree, with their depths."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if match:
            found[match[2]] = len(match[1]) // 4
    return found


def test_the_documented_tree_of_errors_is_true() -> None:
    """The server's errors, drawn in their own module, and the client's beside them."""
    tree = drawn(server_errors.__doc__ or "") | drawn(errors.__doc__ or "")
    assert set(errors.__all__) <= set(tree)
    for name, depth in tree.items():
        kind = getattr(errors, name, None) or getattr(server_errors, name)
        assert len([base for base in kind.__mro__ if base.__module__.startswith("video")]) == (
            depth + 1
        )
    for name in server_errors.__dict__:
        if name in errors.__all__:
            assert getattr(errors, name) is getattr(server_errors, name)


def test_the_packages_are_typed() -> None:
    folder = Path(videovisual_client.__file__).parent
    assert (folder / "py.typed").is_file()
