"""Frames, methods and layers of Grad-CAM, measured to choose the defaults.

    python -m benchmarks.defaults --clips FOLDER

FOLDER holds real clips whose names begin with their Kinetics class, as `ironing-NAME`; without it
the demo's film alone is measured with I3D. Writes `benchmarks/results/defaults.json`, and from it
the tables of `docs/methods.md`. Kept rows are not measured again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.defaults import report
from benchmarks.defaults.material import Material, real, synthetic
from benchmarks.defaults.measure import Measurement
from benchmarks.machine import machine
from videovisual import zoo
from videovisual.utils.files import write_whole
from videovisual.zoo.motion import CARDS

RESULTS = Path(__file__).parents[1] / "results" / "defaults.json"
I3D = "i3d-kinetics400"
FRAMES = (48, 16, 32, 64)
"""Of these, the first two are measured with every method, the others with Grad-CAM alone."""

BASELINES = ("none", "grey")

REAL_POINTS = 4
"""Steps of the curves for the real I3D, a pass of which takes seconds."""

POINTS = 8
SAMPLES = 5
"""Of `smooth_grad` with I3D, in place of 25."""

MOTION_CLIPS = 16

LAYERS = {
    "i3d-kinetics400": ("mixed_5c", "mixed_4f"),
    "i3d-motion": ("mixed_5c", "mixed_4f", "mixed_3c"),
    "r3d-motion": ("layer4", "layer3", "layer2"),
    "mc3-motion": ("layer4", "layer3", "layer2"),
    "r2plus1d-motion": ("layer4", "layer3", "layer2"),
    "tsm-motion": ("layer3", "layer2", "layer1"),
    "videomae-motion": ("norm", "blocks.3", "blocks.2", "blocks.1"),
    "swin3d-motion": ("norm", "features.2", "features.2.0", "features.0"),
}

Task = tuple[str, int, str, dict[str, Any]]
"""Model, frames, method and its parameters."""


def tasks() -> Iterator[Task]:
    """What is measured, in this order. `benchmarks.faithfulness` measures the other methods on
    Motion."""
    for card in CARDS:
        for layer in LAYERS[card.name]:
            for baseline in BASELINES:
                given = {"layer": layer, "baseline": baseline}
                yield card.name, card.input.frames, "grad_cam", given
    first, second = LAYERS[I3D]
    for frames in FRAMES[:2]:
        for baseline in BASELINES:
            yield I3D, frames, "grad_cam", {"layer": first, "baseline": baseline}
    for frames in FRAMES[:2]:
        yield I3D, frames, "gradient", {}
        yield I3D, frames, "smooth_grad", {"samples": SAMPLES}
    for frames in FRAMES[2:]:
        yield I3D, frames, "grad_cam", {"layer": first, "baseline": "grey"}
    for frames in FRAMES[1::-1]:
        yield I3D, frames, "grad_cam", {"layer": second, "baseline": "grey"}
        yield I3D, frames, "integrated_gradients", {}


def long_tasks() -> Iterator[Task]:
    """Methods that take minutes a clip, measured on the first clip alone."""
    yield I3D, 16, "occlusion", {}
    yield I3D, 16, "ep_3d", {}
    yield I3D, 16, "step", {}
    yield I3D, 16, "rise", {"masks": 200}


@click.command()
@click.option("--clips", type=click.Path(exists=True, path_type=Path), help="Of real clips.")
@click.option("--models", default="", help="Only these, by commas.")
@click.option("--methods", default="", help="Only these, by commas.")
@click.option("--fresh", is_flag=True, help="Measure kept rows again.")
@click.option("--documents/--no-documents", default=True, help="Write the tables.")
def main(clips: Path | None, models: str, methods: str, fresh: bool, documents: bool) -> None:
    """Measure frames, methods and layers."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    rows: dict[str, Any] = known.get("rows", {})
    measurements: dict[str, Measurement] = {}
    # `seconds` are processor time on one core.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="videovisual-defaults-") as work:
        for (model, frames, method, given), material in _pairs(Path(work), clips):
            key = " | ".join((model, material.name, str(frames), method, json.dumps(given)))
            wanted = (not models or model in models.split(",")) and (
                not methods or method in methods.split(",")
            )
            if not wanted or (key in rows and not fresh):
                continue
            if model not in measurements:
                points = REAL_POINTS if model == I3D else POINTS
                measurements[model] = Measurement(zoo.load(model), points)
            rows[key] = measurements[model].row(material, frames, method, given)
            _write({"machine": machine(), "rows": rows})
            click.echo(f"{key} {json.dumps(rows[key])}")
    if documents:
        for path in report.write(json.loads(RESULTS.read_text("utf-8"))):
            click.echo(f"wrote {path}")


def _pairs(work: Path, folder: Path | None) -> Iterator[tuple[Task, Material]]:
    motion = list(synthetic(MOTION_CLIPS))
    natural = list(real(work, folder, zoo.card(I3D).labels))
    for task in tasks():
        for material in natural if task[0] == I3D else motion:
            yield task, material
    for task in long_tasks():
        yield task, natural[0]


def _write(results: dict[str, Any]) -> None:
    write_whole(RESULTS, json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
