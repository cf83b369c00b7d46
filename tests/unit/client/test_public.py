"""What the client promises by name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_both_clients_ask_the_same_questions() -> None:
    import inspect

    for name in ("__init__", "classify", "explain", "submit", "explain_many"):
        blocking = inspect.signature(getattr(videovisual_client.Client, name)).parameters
        awaited = inspect.signature(getattr(videovisual_client.AsyncClient, name)).parameters
        assert list(blocking) == list(awaited)
        assert [p.default for p in blocking.values()] == [p.default for p in awaited.values()]


def drawn(text: str) -> dict[str, int]:
    """The classes of a drawn tree and how deep each stands."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if match:
            found[match[2]] = len(match[1]) // 4
    return found


def test_the_tree_is_drawn_as_it_is() -> None:
    tree = drawn(errors.__doc__ or "")
    assert set(tree) == set(errors.__all__)
    for name, depth in tree.items():
        kind = getattr(errors, name)
        assert len([base for base in kind.__mro__ if base.__module__.startswith("video")]) == (
            depth + 1
        )
    for name in server_errors.__dict__:
        if name in errors.__all__:
            assert getattr(errors, name) is getattr(server_errors, name)


@pytest.mark.parametrize(
    "code",
    [
        "import videovisual_client",
        "import videovisual_client.cli",
        "from videovisual_client.commands import bench, classify, compare, doctor, explain",
    ],
)
def test_the_client_needs_none_of_the_servers_packages(code: str) -> None:
    """Only what the base install brings, whatever else lies in this environment."""
    blocked = [
        "torch",
        "torchvision",
        "av",
        "ts",
        "psutil",
        "requests",
        "yaml",
        "safetensors",
        "filelock",
        "captum",
    ]
    script = (
        f"import sys\nfor name in {blocked}: sys.modules[name] = None\n{code}\n"
        "assert not any(name.startswith('torch.') for name in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_packages_are_typed() -> None:
    folder = Path(videovisual_client.__file__).parent
    assert (folder / "py.typed").is_file()


def test_local_without_torch_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from videovisual_client.cli import main\n"
        f"main(['classify', {str(tmp_path)!r}, '--model', 'i3d-motion', '--local'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "videovisual[server]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_light_client_knows_the_models_names() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from videovisual_client.cli import main\n"
        "main(['models', '--json'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert {"name": "i3d-motion", "archived": False} in [
        {**model, "archived": False} for model in json.loads(done.stdout)
    ]
