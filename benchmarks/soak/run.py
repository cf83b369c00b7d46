"""A soak of one server from its start to its end."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.soak.campaign import Campaign
from benchmarks.soak.inputs import Inputs
from benchmarks.soak.progress import Progress
from videovisual_archive import archive
from videovisual_client.torchserve import Server

SETTINGS = {"idle": False}
"""Explanations get a share of the processor though the soak itself keeps it busy."""


def soak(
    models: list[str],
    seed: int,
    *,
    seconds: float,
    work: Path,
    resume: bool = False,
    inputs: int | None = None,
    only: int | None = None,
) -> Progress:
    """Soak a server of its own.

    Args:
        models: what it serves.
        seed: of the inputs.
        seconds: how long at most, with what a resumed soak has already.
        work: the folder of progress and anomalies; emptied unless `resume`.
        resume: go on from the progress in the folder, if there is one of this seed.
        inputs: how many at most.
        only: the one input to send.
    """
    kept = work / "progress.json"
    progress = Progress(seed)
    if resume and kept.is_file() and Progress.read(kept).seed == seed:
        progress = Progress.read(kept)
    elif only is None:
        shutil.rmtree(work, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="videovisual-soak-") as name:
        settings, store = Path(name, "settings.json"), Path(name, "store")
        settings.write_text(json.dumps(SETTINGS), "utf-8")
        for model in models:
            archive(model, store=store)
        with _settings(settings), Server(models, store=store, port=18300) as server:
            made = Inputs(seed, models, server.keys().inference)
            campaign = Campaign(server, made, progress, work)
            asyncio.run(campaign.run(seconds=seconds, inputs=inputs, only=only))
    return progress


@contextmanager
def _settings(path: Path) -> Iterator[None]:
    """Have servers that start meanwhile read these settings."""
    before = os.environ.get("VIDEOVISUAL_SETTINGS")
    os.environ["VIDEOVISUAL_SETTINGS"] = str(path)
    try:
        yield
    finally:
        del os.environ["VIDEOVISUAL_SETTINGS"]
        if before is not None:
            os.environ["VIDEOVISUAL_SETTINGS"] = before
