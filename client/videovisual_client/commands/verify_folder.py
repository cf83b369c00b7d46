"""`videovisual verify` on a folder of records."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from rich.text import Text

from videovisual.evidence import Finding, Outcome, Record, Verdict, Verification, read
from videovisual.evidence.finding import Part
from videovisual.utils.digest import file_sha256
from videovisual.utils.folder import listed
from videovisual.utils.suffixes import RECORD_SUFFIX, is_record_name
from videovisual.utils.text import readable, shown
from videovisual_client import exits
from videovisual_client.commands.options import CommandClip
from videovisual_client.errors import (
    InvalidEvidence,
    InvalidRequest,
    MissingExtra,
    VideoVisualError,
)
from videovisual_client.terminal import bar, log, out, print_json, table

Check = Callable[[Record, CommandClip | None], Verification]
"""Checks a record against its clip, or without one."""

FAILED = "failed"
"""Stands for the outcome of a record that an error kept from being checked."""

STATUSES = {
    Outcome.ALTERED.value: exits.ALTERED,
    Outcome.OTHER_INPUT.value: exits.OTHER_INPUT,
    Outcome.NOT_REPRODUCED.value: exits.NOT_REPRODUCED,
    FAILED: exits.SOME_FAILED,
    Outcome.INCOMPLETE.value: exits.INCOMPLETE,
    Outcome.VERIFIED.value: exits.OK,
}
"""The exit status of each outcome, the worst first: the worst of a folder's is the command's."""

STYLES: Mapping[Verdict | None, str] = {
    Verdict.SAME: "green",
    Verdict.CLOSE: "green",
    Verdict.INEXACT: "yellow",
    Verdict.UNCHECKED: "yellow",
    Verdict.DIFFERS: "bold red",
}
GOOD = (Verdict.SAME, Verdict.CLOSE)
BEST_FIRST = (*GOOD, Verdict.INEXACT, Verdict.UNCHECKED, Verdict.DIFFERS)


@dataclass(frozen=True)
class Checked:
    """One record of a folder.

    Attributes:
        record: its path in the folder.
        clip: name of its clip; None if it wasn't found.
        outcome: a key of `STATUSES`.
        findings: what was checked.
        error: why it couldn't be checked; None if it was.
    """

    record: str
    clip: str | None
    outcome: str
    findings: Sequence[Finding] = ()
    error: str | None = None

    def verdict(self, part: str) -> Verdict | None:
        """The worst verdict on a part; None if the part was not looked at."""
        found = [finding.verdict for finding in self.findings if finding.part == part]
        return max(found, key=BEST_FIRST.index, default=None)

    def problems(self) -> Iterator[str]:
        """A sentence on all that does not agree."""
        if self.error is not None:
            yield self.error
        yield from (each.message for each in self.findings if each.verdict not in GOOD)


class Clips:
    """The clips that records are about.

    Args:
        clips: by their names.
        is_one: whether it is one clip, which all records are about.
    """

    def __init__(self, clips: Mapping[str, Path], *, is_one: bool = False) -> None:
        self.paths = clips
        self._all = next(iter(clips)) if is_one else None

    def named(self, place: Path) -> str | None:
        """Name of the clip that a record's own name is of.

        Args:
            place: METHOD/MODEL/NAME.evidence.json, or the end of it.
        """
        own = place.name[: -len(RECORD_SUFFIX)].removesuffix(".")
        names = ["/".join((*place.parts[start:-1], own)) for start in range(len(place.parts))]
        return self._all or next((name for name in names if name in self.paths), None)

    def of_bytes(self, record: Record) -> str | None:
        """Name of the clip whose file has the record's SHA-256."""
        digest = None if record.statement is None else record.statement.clip.sha256
        return self._by_digest.get(digest)

    @cached_property
    def _by_digest(self) -> Mapping[str | None, str]:
        files = {name: path for name, path in self.paths.items() if path.is_file()}
        return {file_sha256(path): name for name, path in files.items()}


def verify_folder(folder: Path, clips: Clips, check: Check, *, as_json: bool) -> int:
    """Check every record of a folder, print a table, and return the exit status.

    Args:
        folder: of records, at any depth.
        clips: of the records.
        check: what is done with each record.
        as_json: whether to print JSON instead.

    Raises:
        InvalidRequest: the folder has no record.
        MissingExtra: a package that all records need is not installed.
    """
    places = sorted(path for path in folder.rglob("*") if is_record_name(path) and path.is_file())
    if not places:
        raise InvalidRequest(
            f"{shown(str(folder))} has no record, no file whose name ends in {RECORD_SUFFIX}. "
            "`videovisual explain CLIPS --format evidence` writes them."
        )
    rows = []
    with bar("verifying") as advance:
        for done, place in enumerate(places, start=1):
            rows.append(_checked(place, place.relative_to(folder), clips, check))
            advance(done, len(places))
    without = sorted(clips.paths.keys() - {row.clip for row in rows})
    outcomes = {row.outcome for row in rows}
    if without:
        # A record that was taken away is not a record that agrees.
        outcomes.add(Outcome.INCOMPLETE.value)
    worst = next(outcome for outcome in STATUSES if outcome in outcomes)
    if as_json:
        print_json(
            {"outcome": worst, "records": [asdict(row) for row in rows], "without_record": without}
        )
    else:
        _show(rows, without)
    return STATUSES[worst]


def _checked(place: Path, name: Path, clips: Clips, check: Check) -> Checked:
    record, clip = readable(name.as_posix()), clips.named(name)
    try:
        known = read(place)
        clip = clip or clips.of_bytes(known)
        found = check(known, None if clip is None else clips.paths[clip])
    except MissingExtra:
        raise
    except InvalidEvidence as error:
        finding = Finding("record", Verdict.DIFFERS, error.message)
        return Checked(record, clip, Outcome.ALTERED.value, (finding,))
    except VideoVisualError as error:
        return Checked(record, clip, FAILED, error=f"{error.code}: {error.message}")
    return Checked(record, clip, found.outcome.value, found.findings)


def _show(rows: Sequence[Checked], without: Sequence[str]) -> None:
    parts = [part for part in get_args(Part) if any(row.verdict(part) for row in rows)]
    lines = table("record of", "outcome", *parts)
    for row in rows:
        verdicts = (row.verdict(part) for part in parts)
        cells = (
            Text("" if verdict is None else verdict.value, style=STYLES.get(verdict, ""))
            for verdict in verdicts
        )
        name = row.record.removesuffix(f".{RECORD_SUFFIX}")
        lines.add_row(Text(name), Text(row.outcome), *cells)
    out.print(lines)
    for row in rows:
        for problem in row.problems():
            out.print(f"{row.record}: {problem}", markup=False, soft_wrap=True)
    counts = Counter(row.outcome for row in rows)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in STATUSES if counts[outcome])
    out.print(f"{len(rows)} records: {told}", soft_wrap=True)
    if without:
        log.print(
            f"clips without a record: {len(without)} ({listed(without)})",
            soft_wrap=True,
            markup=False,
        )
