"""What the intervals of an audit support."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from videovisual.audit.groups import HALF, LEAST_CLIPS, Group
from videovisual.audit.interval import Interval
from videovisual.audit.questions import CHANGES, MOMENT, SHARES
from videovisual.audit.tally import Tally


@dataclass(frozen=True)
class Finding:
    """What an interval supports.

    Attributes:
        group: the class; None for all.
        about: name of a change or of a share, or `moment`.
        text: what is found.
        rate: of clips that show it.
        at_least: the lower bound that holds for all findings together: of the rate beyond chance
            for a change, else of the rate.
        clips: numbers of the clips that show it, in the tally.
        part: of a moment, the number of the part.
    """

    group: str | None
    about: str
    text: str
    rate: Interval
    at_least: float
    clips: Sequence[int]
    part: int | None = None


def findings(group: Group, tally: Tally) -> Iterator[Finding]:
    """The findings about a group; all of an audit hold together with a confidence of 95%."""
    if len(group.clips) < LEAST_CLIPS:
        return
    for change, survival in group.survivals.items():
        text = CHANGES[change].finding
        if text is not None and survival.beyond.low > HALF:
            clips = _staying(group, tally, change)
            yield Finding(group.name, change, text, survival.rate, survival.beyond.low, clips)
    yield from _moment(group, tally)
    for about, share in group.shares.items():
        text = SHARES[about].finding
        if text is not None and share.at_least > HALF:
            yield Finding(group.name, about, text, share.mostly, share.at_least, group.clips)


def _staying(group: Group, tally: Tally, change: str) -> list[int]:
    answers = tally.changed[change]
    return [clip for clip in group.clips if answers[clip] == tally.answers[clip]]


def _moment(group: Group, tally: Tally) -> Iterator[Finding]:
    """The one part without which the answer is lost, while every other part can be missed."""
    needed = [part for part, loss in enumerate(group.losses) if loss.strict.low > HALF]
    spared = sum(loss.strict.high < HALF for loss in group.losses)
    if len(needed) == 1 and spared == len(group.losses) - 1 and MOMENT.finding is not None:
        part = needed[0]
        loss = group.losses[part]
        kept = set(_staying(group, tally, f"without_{part}"))
        clips = [clip for clip in group.clips if clip not in kept]
        yield Finding(group.name, "moment", MOMENT.finding, loss.rate, loss.strict.low, clips, part)
