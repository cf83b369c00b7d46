"""The command `videovisual verify`."""

from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text

from videovisual import evidence
from videovisual.evidence import Outcome, PublicKey, Verdict, Verification
from videovisual.utils.extras import needs
from videovisual_client import exits
from videovisual_client.commands.options import MODEL_HELP, ClipPath, CommandClip, complete_models
from videovisual_client.events import Progress
from videovisual_client.terminal import job_bar, json_option, out, print_json, store_option

STYLES = {
    Verdict.SAME: "green",
    Verdict.CLOSE: "green",
    Verdict.INEXACT: "yellow",
    Verdict.UNCHECKED: "yellow",
    Verdict.DIFFERS: "bold red",
}
SENTENCES = {
    Outcome.VERIFIED: "Verified: all that was checked agrees.",
    Outcome.ALTERED: "Refused: the record or a signature is not as it should be.",
    Outcome.OTHER_INPUT: "Not this record's: the clip or the model is another.",
    Outcome.NOT_REPRODUCED: "Not reproduced: computed again, something is other than recorded.",
    Outcome.INCOMPLETE: "Incomplete: nothing differs, but not all could be checked.",
}
KEY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog=exits.VERIFY_TABLE)
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("clip", type=ClipPath(exists=True, allow_dash=True, path_type=Path))
@click.option(
    "--model", shell_complete=complete_models, help=f"{MODEL_HELP}  [the record's, if it is one]"
)
@click.option(
    "--key", "keys", type=KEY, multiple=True, help="Public key that must have signed; repeatable."
)
@click.option("--no-recompute", is_flag=True, help="Check signatures and hashes alone.")
@click.option("--device", help="Where the model runs: cpu, cuda, …  [a GPU if there is one]")
@store_option
@json_option
def verify(
    record: Path,
    clip: CommandClip,
    model: str | None,
    keys: tuple[Path, ...],
    no_recompute: bool,
    device: str | None,
    store: Path,
    as_json: bool,
) -> None:
    """Check that RECORD is of CLIP, unchanged and signed, and computed again comes to the same.

    RECORD is an evidence.json, or an answer that was saved as .json or .npz. Each line says what
    was checked, and how it compares: same to the last bit, close as other hardware or versions
    give it, or other.

    \b
    Examples: videovisual verify evidence.json clip.mp4 --key laboratory.pub
              videovisual verify evidence.json clip.mp4 --model i3d-kinetics400
              videovisual verify evidence.json clip.mp4 --no-recompute
    """
    known = evidence.read(record)
    public = [PublicKey.read(key) for key in keys]
    if no_recompute:
        with needs("video", "A clip is opened to compare its hashes."):
            from videovisual.clips import open_any  # noqa: PLC0415
        found = evidence.verify(known, lambda as_shown: open_any(clip, as_shown=as_shown), public)
    else:
        with needs("server", "Without them, --no-recompute checks signatures and hashes."):
            from videovisual.api import verify as verify_again  # noqa: PLC0415
        with job_bar("computing again") as advance:
            found = verify_again(
                known,
                clip,
                model,
                keys=public,
                device=device,
                store=store,
                on_progress=lambda now: advance(Progress(now.step, now.of, now.objective)),
            )
    _show(found, as_json)
    click.get_current_context().exit(exits.OF_OUTCOMES[found.outcome])


def _show(found: Verification, as_json: bool) -> None:
    if as_json:
        findings = [asdict(finding) for finding in found.findings]
        print_json({"outcome": found.outcome.value, "findings": findings})
        return
    for finding in found.findings:
        mark = Text(f"{finding.verdict.value:12}", style=STYLES[finding.verdict])
        line = mark.append(f"{finding.part:10}", style="bold")
        out.print(line.append(finding.message, style="default"), soft_wrap=True)
    out.print(SENTENCES[found.outcome], markup=False, soft_wrap=True)
