"""The command `videovisual verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from videovisual import evidence
from videovisual.evidence import Outcome, PublicKey, Record, Verification
from videovisual.utils.extras import needs
from videovisual_client import collection, exits
from videovisual_client.commands.options import MODEL_HELP, ClipPath, CommandClip, complete_models
from videovisual_client.commands.verify_folder import STYLES, Check, Clips, verify_folder
from videovisual_client.events import Progress
from videovisual_client.terminal import job_bar, json_option, out, print_json, store_option

if TYPE_CHECKING:
    from videovisual.zoo import Classifier

SENTENCES = {
    Outcome.VERIFIED: "Verified: all that was checked agrees.",
    Outcome.ALTERED: "Refused: the record or a signature is not as it should be.",
    Outcome.OTHER_INPUT: "Not this record's: the clip or the model is another.",
    Outcome.NOT_REPRODUCED: "Not reproduced: computed again, something is other than recorded.",
    Outcome.INCOMPLETE: "Incomplete: nothing differs, but not all could be checked.",
}
KEY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog=exits.VERIFY_TABLE)
@click.argument("record", type=click.Path(exists=True, path_type=Path))
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

    RECORD may be a folder of records, as `explain CLIPS --format evidence` writes it, and CLIP the
    folder of their clips: a line each says which parts agree, and the exit status is that of the
    worst. A record's clip is the one of its name, or else of its bytes.

    \b
    Examples: videovisual verify evidence.json clip.mp4 --key laboratory.pub
              videovisual verify evidence.json clip.mp4 --model i3d-kinetics400
              videovisual verify evidence.json clip.mp4 --no-recompute
              videovisual verify results/ clips/ --key laboratory.pub
    """
    public = [PublicKey.read(key) for key in keys]
    if no_recompute:
        check = _hashes_alone(public)
    else:
        # A terminal shows one bar at a time, and of a folder that is the one of its records.
        follow = _unseen if record.is_dir() else job_bar
        check = _again(public, model, device, store, follow)
    if record.is_dir():
        status = verify_folder(record, _clips(clip), check, as_json=as_json)
    else:
        found = check(evidence.read(record), clip)
        _show(found, as_json)
        status = exits.OF_OUTCOMES[found.outcome]
    click.get_current_context().exit(status)


def _clips(clip: CommandClip) -> Clips:
    if isinstance(clip, bytes):
        raise click.UsageError("The clips of a folder of records are a folder, or one file.")
    found = collection.clips_in(clip)
    if found is None:
        return Clips({clip.name: clip}, is_one=True)
    return Clips({each.name: each.path for each in found.clips})


def _hashes_alone(keys: Sequence[PublicKey]) -> Check:
    with needs("video", "A clip is opened to compare its hashes."):
        from videovisual.clips import open_any  # noqa: PLC0415

    def check(record: Record, clip: CommandClip | None) -> Verification:
        if clip is None:
            return evidence.verify(record, None, keys)
        return evidence.verify(record, lambda as_shown: open_any(clip, as_shown=as_shown), keys)

    return check


@contextmanager
def _unseen(_title: str) -> Iterator[Callable[[Progress], None]]:
    """In place of `job_bar`, shows nothing."""
    yield lambda _progress: None


def _again(
    keys: Sequence[PublicKey],
    model: str | None,
    device: str | None,
    store: Path,
    follow: Callable[[str], AbstractContextManager[Callable[[Progress], None]]],
) -> Check:
    with needs("server", "Without them, --no-recompute checks signatures and hashes."):
        from videovisual.api import verify as verify_again  # noqa: PLC0415
    loaded: dict[str, Classifier] = {}

    def check(record: Record, clip: CommandClip | None) -> Verification:
        if clip is None:
            return evidence.verify(record, None, keys)
        with follow("computing again") as advance:
            return verify_again(
                record,
                clip,
                model,
                keys=keys,
                device=device,
                store=store,
                on_progress=lambda now: advance(Progress(now.step, now.of, now.objective)),
                loaded=loaded,
            )

    return check


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
