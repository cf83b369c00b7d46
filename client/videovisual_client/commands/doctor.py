"""The command `videovisual doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text

from videovisual_client import exits
from videovisual_client.doctor import Finding, Level, examine
from videovisual_client.exchange import DEFAULT_URL
from videovisual_client.terminal import json_option, out, print_json, store_option

MARKS = {
    Level.OK: ("ok   ", "green"),
    Level.NOTE: ("note ", "yellow"),
    Level.WRONG: ("wrong", "bold red"),
}


@click.command()
@store_option
@click.option("--url", default=DEFAULT_URL, show_default=True, envvar="VIDEOVISUAL_URL")
@click.option("--token", envvar="VIDEOVISUAL_TOKEN", help="Inference key.")
@click.option(
    "--key-file", type=click.Path(path_type=Path), envvar="VIDEOVISUAL_KEY_FILE", help="Its file."
)
@json_option
def doctor(store: Path, url: str, token: str | None, key_file: Path | None, as_json: bool) -> None:
    """Look whether this machine can serve and ask, and say how to mend what is wrong.

    Looks at Python, torch, the GPU, pictures, video, TorchServe, Java, ports, disk, archives, and a
    running server. Exit status: 0 nothing is wrong, 1 something is.

    \b
    Examples: videovisual doctor
              videovisual doctor --url http://gpu-box:8080 --key-file key_file.json
              videovisual doctor --json | jq '.[] | select(.level == "wrong")'
    """
    findings = []
    for finding in examine(store, url, token, key_file):
        findings.append(finding)
        if not as_json:
            _say(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.level is Level.WRONG for finding in findings):
        click.get_current_context().exit(exits.FAILED)


def _say(finding: Finding) -> None:
    mark, style = MARKS[finding.level]
    line = Text(f"{mark} ", style=style).append(f"{finding.name:10} ", style="bold")
    out.print(line.append(finding.found, style="default"), soft_wrap=True)
    if finding.fix:
        out.print(f"      {'':10} → {finding.fix}", soft_wrap=True, markup=False)
