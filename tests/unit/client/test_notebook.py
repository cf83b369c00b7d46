"""What a notebook shows of a model, a job and a result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import numpy.typing as npt
import pytest
from nbclient import NotebookClient
from tests.unit.client.fake_server import FakeServer, Reply
from tests.unit.client.test_job import ACCEPTED, CANCELLED, DONE, RESULT, RICH_STEP

from videovisual_client import Client, errors
from videovisual_client.notebook import bars

CELLS = (
    "import videovisual, videovisual_client.local as local_; from videovisual import motion",
    "videovisual.load('r3d-motion')",
    "clip = motion.sample(4).frames; local = local_.Local('cpu')",
    "job = local.submit(clip, model='r3d-motion', method='smooth_grad', samples=3); job",
    "result = job.result(); result",
    "videovisual.explain('r3d-motion', clip, 'gradient')",
    "local.close()",
)


def test_a_job_s_bar_moves_to_its_end(
    fake: FakeServer, client: Client, clip: npt.NDArray[np.uint8]
) -> None:
    fake.handler = lambda _: Reply(lines=iter([ACCEPTED, RICH_STEP, RESULT, DONE]))
    job = client.submit(clip, model="m")
    first, step, last = bars(job.queue, job, job.answer)
    assert "waiting for 2 others" in first
    assert "value" not in first
    assert 'value="3" max="9"' in step
    assert "step, step 3 of 9, 4 s left" in step
    assert "done: ironing" in last
    assert job.result().predictions[0].label == "ironing"


def test_a_job_that_fails_says_so_and_raises_later(
    fake: FakeServer, client: Client, clip: npt.NDArray[np.uint8]
) -> None:
    fake.handler = lambda _: Reply(lines=iter([ACCEPTED, RICH_STEP, CANCELLED]))
    job = client.submit(clip, model="m")
    assert "cancelled: The job was cancelled." in list(bars(job.queue, job, job.answer))[-1]
    with pytest.raises(errors.Cancelled):
        job.result()


@pytest.mark.slow
def test_a_notebook_shows_model_job_and_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    kernel: dict[str, Any] = {"env": {**os.environ}}
    NotebookClient(book, timeout=900, resources={"metadata": {"path": tmp_path}}).execute(**kernel)
    nbformat.validate(book)
    shown = [
        [each.data for each in cell.outputs if each.output_type != "stream"] for cell in book.cells
    ]
    assert [len(each) for each in shown] == [0, 1, 0, 1, 1, 1, 0]
    (card,), (bar,), (result,), (saliency,) = (shown[number] for number in (1, 3, 4, 5))
    assert "<caption><b>r3d-motion</b>" in card["text/html"]
    # The same output, replaced with every step.
    assert 'value="1" max="1"' in bar["text/html"]
    assert "done: circles clockwise" in bar["text/html"]
    for each in (result, saliency):
        assert "<iframe" in each["text/html"]
        assert "image/png" in each
