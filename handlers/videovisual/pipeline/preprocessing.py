"""A path, frames or an opened source → a clip in the form that the network takes."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch

from videovisual import clips
from videovisual.clips import Clip
from videovisual.errors import InvalidParameter
from videovisual.protocol import Options
from videovisual.zoo import Classifier, ModelCard
from videovisual.zoo.transform import Geometry, geometry, resized_size

ClipLike = (
    str | os.PathLike[str] | bytes | IO[bytes] | npt.NDArray[np.uint8] | clips.Source | torch.Tensor
)


@dataclass(frozen=True)
class PreparedClip:
    """A clip in the form that a network takes, and where it came from.

    Attributes:
        clip: float32 [3, T, H, W] in the model's space.
        frames: the source frames, uint8 [T, H, W, 3]; None for a clip that came prepared.
        facts: frame indices, timestamps, crop box and source, for the provenance.
        source: where the frames come from; moving pictures show the frames between them too.
    """

    clip: torch.Tensor
    frames: npt.NDArray[np.uint8] | None
    facts: Mapping[str, Any]
    source: clips.Source | None = None

    @property
    def geometry(self) -> Geometry | None:
        """Where the crop lies in the source frame."""
        crop = self.facts.get("crop")
        return Geometry(**crop) if crop is not None else None


def sampling(card: ModelCard, options: Options) -> clips.Sampling:
    """Which frames of a source the model should see.

    Raises:
        InvalidParameter: a number of frames that the model cannot take.
    """
    spec = card.input
    frames = options.frames or spec.frames
    if frames > spec.max_frames or frames < spec.min_frames or frames % spec.frame_multiple:
        raise InvalidParameter(
            f"frames = {frames} does not fit {card.name}: give a multiple of "
            f"{spec.frame_multiple} from {spec.min_frames} to {spec.max_frames}.",
            parameter="frames",
            given=frames,
            allowed={
                "minimum": spec.min_frames,
                "maximum": spec.max_frames,
                "multipleOf": spec.frame_multiple,
            },
        )
    return clips.Sampling(
        frames=frames,
        fps=spec.fps,
        start_s=options.start_s,
        end_s=options.end_s,
        min_frames=spec.min_frames,
        views=options.views,
    )


def prepare(classifier: Classifier, clip: Clip, source: clips.Source) -> PreparedClip:
    """Sampled frames of a source, transformed for the classifier."""
    height, width = clip.frames.shape[1:3]
    return PreparedClip(
        clip=classifier.prepare(clip.frames, source.before_frame),
        frames=clip.frames,
        facts={
            "frame_indices": list(clip.indices),
            "timestamps": None if clip.timestamps is None else list(clip.timestamps),
            "crop": asdict(geometry(classifier.card.input, height, width)),
            "source": clip.source.facts(),
            **_made_for(classifier.card),
        },
        source=source,
    )


def read(
    classifier: Classifier, clip: ClipLike, plan: clips.Sampling | None = None
) -> PreparedClip:
    """A path, source frames, or a prepared clip, made ready for the classifier.

    Args:
        classifier: whose transform is applied.
        clip: path of a video, of a folder of frames or of a pipe, or `-` for standard input; a
            video's bytes or opened file; uint8 [T, H, W, 3] frames; an opened source; or a
            prepared float32 tensor [3, T, H, W], which is taken as it is.
        plan: which frames are seen, `sampling` of the classifier's card by default.

    Raises:
        InvalidParameter: a prepared clip of another shape, or with NaN or infinity in it.
        InvalidRequest, UnsupportedMedia, TooLarge, ClipTooShort: see `videovisual.clips`.
    """
    if isinstance(clip, torch.Tensor):
        if clip.ndim != 4 or clip.shape[0] != 3 or not torch.isfinite(clip).all():
            raise InvalidParameter(
                f"A prepared clip is finite float32 [3, T, H, W]; this one is "
                f"{clip.dtype} {list(clip.shape)}. `Classifier.prepare` makes one from frames.",
                shape=list(clip.shape),
            )
        return PreparedClip(clip.float(), None, {"frame_indices": list(range(clip.shape[1]))})
    source = open_source(clip)
    chosen = plan or sampling(classifier.card, Options())
    (sampled,) = clips.sample(source, chosen)
    prepared = prepare(classifier, sampled, source)
    return replace(prepared, facts={**prepared.facts, **looked_at(sampled, chosen)})


def looked_at(clip: Clip, chosen: clips.Sampling) -> dict[str, float]:
    """The seconds that the model sees, `looked_at_s`, of those it could have seen, `of_s`.

    Empty for frames without timestamps.
    """
    info, times = clip.source, clip.timestamps
    if times is None or info.duration_s is None:
        return {}
    end = info.duration_s if chosen.end_s is None else min(chosen.end_s, info.duration_s)
    seen = times[-1] - times[0] + info.duration_s / info.frame_count
    return {"looked_at_s": round(seen, 3), "of_s": round(end - (chosen.start_s or 0.0), 3)}


def _made_for(card: ModelCard) -> dict[str, Any]:
    if card.made_for is None:
        return {}
    return {"made_for": {"name": card.made_for, "size": [card.input.width, card.input.height]}}


def decoded_bytes(card: ModelCard, source: clips.Source, sampling: clips.Sampling) -> int:
    """Bytes of the source frames of one window.

    Raises:
        TooLarge: the frames are too narrow for the model.
    """
    width, height = source.info.width, source.info.height
    resized_size(card.input, height, width)
    return 3 * sampling.frames * width * height


def open_source(clip: ClipLike, *, as_shown: bool = True) -> clips.Source:
    """A path, bytes, an opened file, source frames or an opened source, ready to be sampled.

    Args:
        clip: a source stays as it was opened.
        as_shown: whether frames of a path are those that a player shows, or the stored pixels.

    Raises:
        InvalidParameter: a prepared clip, which is one window already.
        InvalidRequest, UnsupportedMedia, TooLarge: see `videovisual.clips`.
    """
    if isinstance(clip, torch.Tensor):
        raise InvalidParameter(
            "A prepared clip is one window; views, a timeline and window=best need the source. "
            "Give a path or frames."
        )
    return clips.open_any(clip, as_shown=as_shown)
