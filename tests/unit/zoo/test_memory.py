"""Memory that loading an archive needs in a new process."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from videovisual import zoo
from videovisual_archive import build_archive

OVERHEAD = 600 * 2**20
"""Bytes for Python, torch, this package and the system's libraries."""

CODE = """
import pathlib, torch
from videovisual import zoo
classifier = zoo.load_folder(pathlib.Path.cwd())
for parameter in classifier.network.parameters():
    parameter.sum()  # only pages that were read count
print(pathlib.Path("/proc/self/status").read_text())
"""


@pytest.fixture
def stand_in(tmp_path):
    """Builds an archive of random weights of the published size."""

    def build(name):
        card = zoo.card(name)
        torch.manual_seed(0)
        state = zoo.build(card).state_dict()
        return build_archive(card, state, tmp_path / "store", source_sha256="0" * 64)

    return build


def peak(mar, folder):
    """Peak memory of a process that loads the archive, and the size of the weights, in bytes."""
    with zipfile.ZipFile(mar) as opened:
        opened.extractall(folder)
    # Not ru_maxrss: a child process inherits its parent's.
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    kibibytes = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    return int(kibibytes[1]) * 1024, (folder / "weights.safetensors").stat().st_size


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("name", ["i3d-kinetics400", "r3d-kinetics400", "tsm-kinetics400"])
def test_loading_needs_at_most_twice_the_weights(stand_in, tmp_path, name):
    used, weights = peak(stand_in(name), tmp_path / "model")
    assert used <= 2 * weights + OVERHEAD
