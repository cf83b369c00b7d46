"""An answer's explanations as a file of any format that shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from videovisual.clips.source import Source
from videovisual.errors import UnknownOutput
from videovisual.evidence import SigningKey, frames_sha256, to_bytes
from videovisual.evidence.keys import KeyFile
from videovisual.protocol import Answer, Explanation, Prediction
from videovisual.protocol.sentences import summarised
from videovisual.render.columns import DEFAULT, Columns
from videovisual.render.figure import to_pdf, to_svg
from videovisual.render.filmstrip import to_png
from videovisual.render.gif import to_gif
from videovisual.render.notebook import in_notebook
from videovisual.render.panel import Panel, panels
from videovisual.render.report import to_html
from videovisual.render.video import to_mp4
from videovisual.saliency import Saliency

FORMATS = ("json", "npz", "png", "pdf", "svg", "gif", "mp4", "html")


def draw(
    suffix: str,
    answer: Answer,
    drawn: Sequence[Panel],
    columns: Columns | None = None,
    *,
    name: str | None = None,
    made: datetime | None = None,
) -> bytes:
    """An answer as a picture.

    Args:
        suffix: `png`, `pdf`, `svg`, `gif`, `mp4` or `html`.
        answer: to an explain request.
        drawn: one panel for each of its explanations; see `panels`.
        columns: how many frames a still picture shows, or which; 8 unless given.
        name: the clip's, which a report tells.
        made: when it is drawn, likewise.

    Raises:
        UnknownOutput: another suffix.
        InvalidParameter: there are no columns.
        MissingExtra: an mp4 needs the extra `video`, a pdf and an svg `figures`.
    """
    if suffix == "html":
        return to_html(answer, drawn, name=name, made=made)
    stills = {"png": to_png, "pdf": to_pdf, "svg": to_svg}
    if suffix in stills:
        return stills[suffix](drawn, DEFAULT if columns is None else columns)
    pictures = {"gif": to_gif, "mp4": to_mp4}
    if suffix not in pictures:
        raise UnknownOutput(
            f"There is no format {suffix[:20]!r}. Allowed: {', '.join(FORMATS)}.",
            output=suffix[:20],
            allowed=list(FORMATS),
        )
    return pictures[suffix](drawn)


@dataclass(frozen=True)
class ClipDrawing:
    """Draws a saliency over its clip.

    Attributes:
        answer: the classes and the clip's facts, without explanations.
        method: of the explanation.
        target: the class that is explained, with its score.
        source: the clip, which is read again for every picture.
        name: the clip's, for a report; None where it has none.
    """

    answer: Answer
    method: str
    target: Prediction
    source: Source
    name: str | None = None

    @property
    def score(self) -> str:
        """The target's probability or raw score, in words."""
        return self.target.score

    def __call__(self, saliency: Saliency, suffix: str, columns: Columns | None = None) -> bytes:
        """The file of that suffix: `json`, or one of `draw`.

        Raises:
            UnknownOutput, InvalidParameter, MissingExtra: as `draw`.
            VideoVisualError: the clip can't be read any more.
        """
        answer = self._answer(saliency)
        if suffix == "json":
            return answer.model_dump_json(indent=1).encode()
        frames = self.source.read(answer.clip["frame_indices"])
        made = datetime.now(timezone.utc)
        drawn = panels(answer, [saliency], frames, self.source)
        return draw(suffix, answer, drawn, columns, name=self.name, made=made)

    def in_notebook(self, saliency: Saliency) -> str:
        """The report for a notebook's cell; raises as a call."""
        return in_notebook(self(saliency, "html"), repr(saliency))

    def summary(self, saliency: Saliency) -> str:
        """What the saliency comes to, in words."""
        return self._answer(saliency).explanations[0].summary

    def evidence(self, saliency: Saliency, key: KeyFile | None) -> bytes:
        """The file of the saliency's evidence record.

        Raises:
            InvalidEvidence, InvalidParameter, MissingExtra: see `videovisual.evidence`.
            VideoVisualError: the clip can't be read any more.
        """
        frames = self.source.read(self.answer.clip["frame_indices"])
        return to_bytes(self._answer(saliency), frames_sha256(frames), SigningKey.chosen(key))

    def _answer(self, saliency: Saliency) -> Answer:
        explanation = Explanation.of(saliency, self.method, self.target)
        explanations = [summarised(explanation, self.answer)]
        return self.answer.model_copy(update={"explanations": explanations})
