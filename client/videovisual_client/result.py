"""What a server answers, with its pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual import clips, render
from videovisual.errors import UnknownOutput
from videovisual.protocol import Answer, Explanation, Prediction, Second
from videovisual.saliency import Saliency
from videovisual_client.upload import ClipLike

Frames = npt.NDArray[np.uint8]

FORMATS = ("json", "npz", "png", "gif", "mp4", "html")


@dataclass(frozen=True)
class Classification:
    """The classes of one clip.

    Attributes:
        answer: all that the server said.
        clip: what was sent.
    """

    answer: Answer
    clip: ClipLike

    @property
    def model(self) -> str:
        """The model that answered."""
        return self.answer.model

    @property
    def predictions(self) -> list[Prediction]:
        """The best classes, best first."""
        return self.answer.predictions

    @property
    def timeline(self) -> list[Second]:
        """Each second's best classes, where a timeline was asked for."""
        return self.answer.timeline


@dataclass(frozen=True)
class Explained(Classification):
    """The classes of one clip, and why."""

    @property
    def explanations(self) -> list[Explanation]:
        """One a target, in the order asked for."""
        return self.answer.explanations

    @property
    def saliency(self) -> Saliency:
        """The first target's saliency; its map is float32 [T, H, W]."""
        return self.explanations[0].to_saliency()

    def source(self) -> clips.Source:
        """What was sent, opened."""
        if isinstance(self.clip, np.ndarray):
            return clips.open_frames(self.clip)
        return clips.open_path(Path(self.clip))

    def source_frames(self) -> Frames:
        """The frames that the model saw, as they were sent: uint8 [T, H, W, 3]."""
        indices: list[Any] = self.answer.clip["frame_indices"]
        return self.source().read(indices)

    def panels(self) -> list[render.Panel]:
        """One panel a target, for `videovisual.render`."""
        saliencies = [explanation.to_saliency() for explanation in self.explanations]
        source = self.source()
        frames = source.read(self.answer.clip["frame_indices"])
        return render.panels(self.answer, saliencies, frames, source)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the explanation in the format that the suffix names.

        Args:
            path: `….json` and `….npz` hold the numbers, `….png` a filmstrip, `….mp4` and `….gif`
                the overlay beside the source, `….html` a page to look at it all, offline.

        Raises:
            UnknownOutput: another suffix.
            MissingExtra: a video can't be read or written without the extra `video`.
        """
        target = Path(path)
        suffix = target.suffix.lower().removeprefix(".")
        if suffix not in FORMATS:
            raise UnknownOutput(
                f"{target.name} has the suffix {suffix!r}. Allowed: {', '.join(FORMATS)}.",
                output=suffix,
                allowed=list(FORMATS),
            )
        if suffix == "json":
            data = self.answer.model_dump_json(indent=1).encode()
        elif suffix == "npz":
            saliencies = [explanation.to_saliency() for explanation in self.explanations]
            data = render.to_npz(self.answer, saliencies)
        elif suffix == "html":
            data = render.to_html(self.answer, self.panels())
        else:
            draw = {"png": render.to_png, "gif": render.to_gif, "mp4": render.to_mp4}
            data = draw[suffix](self.panels())
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target
