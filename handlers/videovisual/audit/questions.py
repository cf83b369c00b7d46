"""What an audit asks of a classifier, in words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One measure of an audit.

    Attributes:
        title: the heading of its numbers.
        about: what was done or measured.
        finding: what is said of a class where the number is high; None where that is no sign of a
            shortcut.
    """

    title: str
    about: str
    finding: str | None = None


CHANGES = {
    "shuffled": Question(
        "frames shuffled", "the frames come in a random order", "told without the order of frames"
    ),
    "reversed": Question("played backwards", "the clip is played backwards"),
    "middle_frame": Question(
        "middle frame held",
        "the clip's middle frame is shown all the time",
        "told by one still frame",
    ),
    "strongest_frame": Question(
        "strongest frame held",
        "the frame with most evidence is shown all the time",
        "told by its strongest frame alone",
    ),
    "middle_hidden": Question(
        "middle hidden",
        "only the border is shown: an eighth of the picture on each side",
        "told by the border",
    ),
    "border_hidden": Question("border hidden", "an eighth of the picture on each side is hidden"),
    "moving_hidden": Question(
        "what moves hidden",
        "everything is hidden that moves at any time",
        "told by what doesn't move",
    ),
    "colour_only": Question(
        "colours only", "each frame is its mean colour", "told by colour or brightness alone"
    ),
}
"""Changes of a clip; the number is the rate of answers that stay."""

MOMENT = Question(
    "part missing",
    "an eighth of the frames is replaced by the nearest other frames",
    "rests on one moment, the same in every clip",
)
"""The number is the rate of answers that are lost."""

SHARES = {
    "one_frame": Question("in one frame", "in the frame that has most", "evidence in one frame"),
    "one_place": Question(
        "in one place",
        "in one of 25 equal fields of the picture, the same one in all clips",
        "evidence at one place, the same in every clip",
    ),
    "border": Question(
        "at the border", "within an eighth of the picture on each side", "evidence at the border"
    ),
    "background": Question(
        "in the background",
        "outside of everything that moves at any time",
        "evidence in the background",
    ),
}
"""Shares of the evidence; the number is the mean share."""
