"""The command `videovisual train-motion`."""

import dataclasses
from pathlib import Path

import click

from videovisual.utils.extras import needs
from videovisual_client.terminal import bar, json_option, out, print_json


@click.command("train-motion")
@click.argument("name")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("motion_training"),
    show_default=True,
    help="Folder of the weights and of the checkpoint.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the initial weights.")
@click.option("--fresh", is_flag=True, help="Ignore the checkpoint of an earlier run.")
@json_option
def train_motion(name: str, folder: Path, seed: int, fresh: bool, as_json: bool) -> None:
    """Train the small model NAME on Motion, and measure it on held-out clips.

    A command that was interrupted continues when it is run again.

    \b
    Example: videovisual train-motion r3d-motion
    """
    with needs("server"):
        from videovisual.motion import training  # noqa: PLC0415
    with bar(name) as advance:
        report = training.train(
            name,
            out=folder,
            seed=seed,
            resume=not fresh,
            progress=lambda step: advance(step.step, step.of, f", loss {step.loss:.3f}"),
        )
    if as_json:
        print_json(dataclasses.asdict(report))
        return
    for field in dataclasses.fields(report):
        out.print(f"{field.name:9} {getattr(report, field.name)}", soft_wrap=True)
