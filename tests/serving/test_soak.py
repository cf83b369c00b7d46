"""The first inputs of a soak, on a server of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.soak.progress import Progress
from benchmarks.soak.run import soak

SECONDS = 600


@pytest.mark.slow
def test_bad_input_is_refused_and_a_stopped_soak_goes_on(tmp_path: Path) -> None:
    first = soak(["r3d-motion"], 0, seconds=SECONDS, work=tmp_path, inputs=300)
    assert first.anomalies == []
    assert first.inputs == 300
    kept = tmp_path / "progress.json"
    Progress(**{**vars(first), "next": 290}).write(kept)
    second = soak(["r3d-motion"], 0, seconds=SECONDS, work=tmp_path, inputs=350, resume=True)
    assert second.anomalies == []
    assert second.inputs == 360
