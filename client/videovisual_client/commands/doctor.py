"""The command `videovisual doctor`."""

from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text

from videovisual_client import exits
from videovisual_client.commands.options import all_options, server_options
from videovisual_client.doctor import Finding, Level, examine
from videovisual_client.terminal import json_option, out, print_json, store_option

MARKS = {
    Level.OK: ("ok   ", "green"),
    Level.NOTE: ("note ", "yellow"),
    Level.WRONG: ("wrong", "bold red"),
}


@click.command()
@store_option
@all_options(*server_options)
@json_option
def doctor(store: Path, url: str, token: str | None, key_file: Path | None, as_json: bool) -> None:
    """Check whether this machine can serve models and send requests, and how to fix problems.

    Checks Python, torch, the GPU, pictures, video, TorchServe, Java, ports, disk, archives, and a
    running server. Exit status: 0 if nothing is wrong, else 1.

    \b
    Examples: videovisual doctor
              videovisual doctor --url http://gpu-box:8080 --key-file key_file.json
              videovisual doctor --json | jq '.[] | select(.level == "wrong")'
    """
    findings = []
    for finding in examine(store, url, token, key_file):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.level is Level.WRONG for finding in findings):
        click.get_current_context().exit(exits.FAILED)


def _show(finding: Finding) -> None:
    mark, style = MARKS[finding.level]
    line = Text(f"{mark} ", style=style).append(f"{finding.name:10} ", style="bold")
    out.print(line.append(finding.found, style="default"), soft_wrap=True)
    if finding.fix:
        out.print(f"      {'':10} → {finding.fix}", soft_wrap=True, markup=False)
