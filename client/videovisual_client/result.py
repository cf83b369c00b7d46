"""The results of both clients, and the files they are saved as."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videovisual.errors import MissingExtra, UnknownOutput, VideoVisualError
from videovisual.evidence import SigningKey, frames_sha256, to_bytes
from videovisual.protocol import Answer, Explanation, Prediction, Second
from videovisual.protocol.npz import to_npz
from videovisual.utils.clip_name import clip_name
from videovisual.utils.extras import needs
from videovisual.utils.files import check_writable, write_whole
from videovisual.utils.suffixes import RECORD_SUFFIX, check_signs, is_record_name
from videovisual_client import exporters
from videovisual_client.upload import ClipLike

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from videovisual import clips, render
    from videovisual.saliency import Saliency

FIGURES = ("pdf", "svg")
PICTURES = ("png", *FIGURES, "gif", "mp4", "html")
FORMATS = ("json", "npz", *PICTURES)
RECORD = "evidence"
"""The format of an evidence record, whose suffix is `RECORD_SUFFIX`."""


def formats_with_video() -> list[str]:
    """The formats that can be made where the extra `video` is installed."""
    figures = importlib.util.find_spec("matplotlib") is not None
    return [name for name in FORMATS if figures or name not in FIGURES]


def format_of(path: Path, clip: Path | bytes | None = None) -> str:
    """The format that a file's suffix names.

    Args:
        path: the file to write.
        clip: as of `check_format`.

    Raises:
        UnknownOutput: the suffix names no format.
        MissingExtra: as `check_format`.
    """
    suffix = RECORD if is_record_name(path) else path.suffix.lower().removeprefix(".")
    if suffix not in (*FORMATS, RECORD):
        raise UnknownOutput(
            f"{path.name} has the suffix {suffix!r}. Allowed: {', '.join(FORMATS)}, and "
            f"{RECORD_SUFFIX} for an evidence record.",
            output=suffix,
            allowed=[*FORMATS, RECORD_SUFFIX],
        )
    check_format(suffix, clip)
    return suffix


def check_format(name: str, clip: Path | bytes | None = None) -> None:
    """Check that the packages of a format are installed.

    Args:
        name: one of `FORMATS`, or `RECORD`.
        clip: the clip that a picture is drawn over, if known.

    Raises:
        MissingExtra: pictures need the extra `pictures`; an mp4, or a picture over a video file,
            also needs `video`, a pdf or svg `figures`; a record needs `evidence`.
    """
    if name == RECORD:
        with needs("evidence", "Without it, ask for npz or json."):
            importlib.import_module("rfc8785")
    if name not in PICTURES:
        return
    # Whether a file is a video can't be told without `pictures`, which `video` includes.
    is_file = isinstance(clip, bytes) or (clip is not None and clip.is_file())
    extra = "video" if name == "mp4" or is_file else "pictures"
    with needs(extra, "Without it, ask for npz or json."):
        importlib.import_module("videovisual.render")
        from videovisual.clips import formats  # noqa: PLC0415
    if clip is not None and formats.is_video(clip):
        with needs("video", "Without it, ask for npz or json, or give a folder of frames."):
            importlib.import_module("av")
    if name == "mp4":
        with needs("video", "Without it, ask for gif or html."):
            importlib.import_module("av")
    if name in FIGURES:
        with needs("figures", "Without it, ask for png or html."):
            importlib.import_module("matplotlib")


@dataclass(frozen=True, repr=False)
class Classification:
    """The classes of one clip.

    Attributes:
        answer: the server's whole answer.
        clip: the clip of the request.
    """

    answer: Answer
    clip: ClipLike

    def __repr__(self) -> str:
        return f"{type(self).__name__}{repr(self.answer).removeprefix(type(self.answer).__name__)}"

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
        """The best classes of each second, if the request had `timeline`."""
        return self.answer.timeline


@dataclass(frozen=True, repr=False)
class Explained(Classification):
    """The classes of one clip, and their explanations."""

    @property
    def explanations(self) -> list[Explanation]:
        """One per method and target, in the order of the request."""
        return self.answer.explanations

    @cached_property
    def saliency(self) -> Saliency:
        """The first target's saliency; its map is float32 [T, H, W].

        Raises:
            MissingExtra: numpy is not installed.
        """
        return self.explanations[0].to_saliency()

    def source(self) -> clips.Source:
        """The clip of the request, opened.

        Raises:
            MissingExtra: this needs numpy and Pillow, and PyAV for a video.
        """
        with needs("pictures"):
            import numpy as np  # noqa: PLC0415

            from videovisual import clips  # noqa: PLC0415
        as_shown = self.answer.clip.get("source", {}).get("shown", {}).get("as_shown", True)
        if isinstance(self.clip, bytes):
            return clips.open_bytes(self.clip, as_shown=as_shown)
        if isinstance(self.clip, str | os.PathLike):
            return clips.open_path(self.clip, as_shown=as_shown)
        return clips.open_frames(np.asarray(self.clip))

    def source_frames(self) -> npt.NDArray[np.uint8]:
        """The frames that the model used, before its preprocessing: uint8 [T, H, W, 3].

        Raises:
            MissingExtra: as `source`.
        """
        indices: list[Any] = self.answer.clip["frame_indices"]
        return self.source().read(indices)

    def panels(self) -> list[render.Panel]:
        """One panel per explanation, for `videovisual.render`.

        Raises:
            MissingExtra: as `source`.
        """
        with needs("pictures"):
            from videovisual import render  # noqa: PLC0415
        saliencies = [explanation.to_saliency() for explanation in self.explanations]
        source = self.source()
        frames = source.read(self.answer.clip["frame_indices"])
        return render.panels(self.answer, saliencies, frames, source)

    def _repr_html_(self) -> str | None:
        """What a notebook shows: the report, or the text of `repr` where it can't be drawn."""
        drawn = self._drawn("html")
        if drawn is None:
            return None
        from videovisual import render  # noqa: PLC0415

        return render.in_notebook(drawn, repr(self))

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows that can't show pages: the filmstrip."""
        return self._drawn("png")

    def _drawn(self, format: str) -> bytes | None:
        try:
            return self.to_bytes(format)
        except (VideoVisualError, OSError):
            return None

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        key: str | os.PathLike[str] | None = None,
        columns: int | Sequence[float] | None = None,
    ) -> Path:
        """Write the explanation in the format that the suffix names.

        Args:
            path: `….json` and `….npz` hold the numbers, `…evidence.json` an evidence record,
                `….png` a filmstrip, `….pdf` and `….svg` a figure for papers, `….mp4` and `….gif`
                the overlay beside the source, `….html` an interactive page that works offline.
            key: file of the private key that signs a record, beside a server that has signed it;
                that of $VIDEOVISUAL_SIGNING_KEY unless given. Without any the record is not signed.
            columns: how many frames a png, pdf or svg shows, or their times in seconds (frame
                numbers of a clip without timestamps); 8 unless given.

        Raises:
            UnknownOutput: the suffix names no format.
            InvalidParameter: the key can't be used, the file is no record, or there are no columns.
            InvalidEvidence: the server has signed another answer than it sent.
            MissingExtra: pictures need the extra `pictures`; reading or writing a video, `video`;
                a pdf or svg, `figures`; a record, `evidence`.
            WriteError: the file can't be written; nothing of it is left.
        """
        target = Path(path)
        suffix = format_of(target)
        check_writable(target)
        check_signs(target, key)
        if suffix == RECORD:
            return write_whole(target, self.to_record(SigningKey.chosen(key)))
        return write_whole(target, self.to_bytes(suffix, columns))

    def to_bytes(
        self, format: str, columns: int | Sequence[float] | None = None, *, name: str | None = None
    ) -> bytes:
        """The explanation in one of the formats of `save`, but for the record.

        Args:
            format: one of `save`'s suffixes.
            columns: as `save`.
            name: the clip's, for a report; by default that of its file.

        Raises:
            UnknownOutput, InvalidParameter, MissingExtra: as `save`.
        """
        if format == "json":
            return self.answer.model_dump_json(indent=1).encode()
        if format == "npz":
            return to_npz(self.answer)
        panels = self.panels()
        from videovisual import render  # noqa: PLC0415

        return render.draw(
            format,
            self.answer,
            panels,
            columns,
            name=name or clip_name(self.clip),
            made=datetime.now(timezone.utc),
        )

    def to_record(self, key: SigningKey | None = None) -> bytes:
        """The file of the explanation's evidence record.

        Args:
            key: signs it, beside a server that has signed it.

        Raises:
            InvalidEvidence, MissingExtra: as `save`.
        """
        digest = None
        if self.answer.evidence is None:
            # The light client can't decode the clip; the record then has no hash of the frames.
            with suppress(MissingExtra):
                digest = frames_sha256(self.source_frames())
        return to_bytes(self.answer, digest, key)

    def to_fiftyone(self, sample: Any, field: str = "saliency") -> None:
        """Add the maps to the frames of a FiftyOne sample, as `fiftyone.Heatmap` labels.

        Each frame that the model saw gets its map over the whole frame, with the method, the
        target's label and its probability. Save the sample to keep them.

        Args:
            sample: a `fiftyone.Sample` of the clip's video file.
            field: the name of the first explanation; the others' are `field_1`, ….

        Raises:
            MissingExtra: this needs the extra `fiftyone`.
            InvalidParameter: it is no sample of a video.
        """
        exporters.to_fiftyone(self, sample, field)

    def to_rerun(self, recording: Any = None) -> Any:
        """Log the frames, the maps over them and each frame's share to Rerun.

        Args:
            recording: a `rerun.RecordingStream`; the current one unless given, else a new one.

        Returns:
            The recording: `.save("clip.rrd")` writes it, `.spawn()` shows it. Its timelines are
            `frame`, the numbers of the clip's frames, and `clip`, their times.

        Raises:
            MissingExtra: this needs the extra `rerun`, and `source` those of the clip.
        """
        return exporters.to_rerun(self, recording)

    def to_tensorboard(self, writer: Any, step: int = 0) -> None:
        """Add each explanation's filmstrip, the target's probability and the measures.

        Args:
            writer: a `SummaryWriter` of `torch.utils.tensorboard` or `tensorboardX`.
            step: the step that they belong to.

        Raises:
            MissingExtra: as `source`.
        """
        exporters.to_tensorboard(self, writer, step)

    def to_mlflow(self, run_id: str | None = None, folder: str = "saliency") -> str:
        """Log the answer, the maps (npz) and the filmstrip as artifacts, and the measures.

        Args:
            run_id: of the run; the active one unless given, else a new one.
            folder: of the artifacts, and first part of the metrics' names.

        Returns:
            The run's id.

        Raises:
            MissingExtra: this needs the extra `mlflow`, and `source` those of the clip.
        """
        return exporters.to_mlflow(self, run_id, folder)
