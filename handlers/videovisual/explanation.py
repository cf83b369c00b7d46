"""From frames to saliency, with its provenance: the same steps with and without a server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from videovisual import clips
from videovisual.attribution import catalogue
from videovisual.attribution.catalogue import Entry
from videovisual.attribution.method import Case
from videovisual.attribution.parameters import Parameters
from videovisual.clips import Clip
from videovisual.engine.engine import run
from videovisual.engine.graph import Recorder
from videovisual.engine.oracle import Oracle
from videovisual.engine.probe import Attribution, classification
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.polarity import Polarity, check_polarity
from videovisual.protocol import Options, Prediction
from videovisual.saliency import Saliency
from videovisual.version import __version__
from videovisual.zoo import Classifier, ModelCard, load
from videovisual.zoo.transform import Geometry, geometry

ClipLike = str | os.PathLike[str] | npt.NDArray[np.uint8] | clips.Source | torch.Tensor


@dataclass(frozen=True)
class PreparedClip:
    """A clip as a network is fed it, and where it came from.

    Attributes:
        clip: float32 [3, T, H, W] in the model's space.
        frames: the source frames, uint8 [T, H, W, 3]; None for a clip that came prepared.
        facts: frame indices, timestamps, crop box and source, for the provenance.
        source: where the frames were taken from, for pictures of those between them.
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


def prepare(classifier: Classifier, clip: Clip) -> PreparedClip:
    """Sampled source frames as the classifier is fed them."""
    height, width = clip.frames.shape[1:3]
    return PreparedClip(
        clip=classifier.prepare(clip.frames),
        frames=clip.frames,
        facts={
            "frame_indices": list(clip.indices),
            "timestamps": None if clip.timestamps is None else list(clip.timestamps),
            "crop": asdict(geometry(classifier.card.input, height, width)),
            "source": asdict(clip.source),
        },
    )


def read(classifier: Classifier, clip: ClipLike, options: Options | None = None) -> PreparedClip:
    """A path, source frames, or a prepared clip, made ready for the classifier.

    Args:
        classifier: whose transform is applied.
        clip: path of a video or of a folder of frames; uint8 [T, H, W, 3] frames; an opened
            source; or a prepared float32 tensor [3, T, H, W], which is taken as it is.
        options: `frames`, `start_s`, `end_s` choose what is seen.

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
    plan = sampling(classifier.card, options or Options())
    (sampled,) = clips.sample(open_source(clip), plan)
    return prepare(classifier, sampled)


def open_source(clip: ClipLike) -> clips.Source:
    """A path, source frames or an opened source, ready to be sampled.

    Raises:
        InvalidParameter: a prepared clip, which is one window already.
        InvalidRequest, UnsupportedMedia, TooLarge: see `videovisual.clips`.
    """
    if isinstance(clip, clips.Source):
        return clip
    if isinstance(clip, np.ndarray):
        return clips.open_frames(clip)
    if isinstance(clip, torch.Tensor):
        raise InvalidParameter(
            "A prepared clip is one window; views and a timeline need the source. Give a path or "
            "frames.",
        )
    return clips.open_path(Path(clip))


def predictions(card: ModelCard, logits: torch.Tensor, top_k: int) -> list[Prediction]:
    """The `top_k` classes of one clip's logits [classes], best first."""
    best = logits.topk(min(top_k, len(card.labels))).indices.tolist()
    return [prediction(card, logits, index) for index in best]


def prediction(card: ModelCard, logits: torch.Tensor, index: int) -> Prediction:
    """One class of one clip's logits [classes]."""
    return Prediction(
        index=index,
        label=card.labels[index],
        probability=logits.softmax(dim=0)[index].item(),
        logit=logits[index].item(),
    )


def resolve_target(card: ModelCard, target: str | int, logits: torch.Tensor) -> int:
    """The class that a request's `target` means.

    Args:
        card: whose classes.
        target: a class name, an index, or `top1`.
        logits: float32 [classes], the clip's own.

    Raises:
        InvalidTarget: no such class.
    """
    if str(target).strip().lower() == "top1":
        return int(logits.argmax())
    return card.target(target)


TOLD = ("precision",)
"""What a search finds out itself of how its map is to be made again."""


@dataclass(frozen=True)
class Explainer:
    """One method with its parameters, ready to be run on clips of one classifier.

    Attributes:
        classifier: what is explained.
        entry: the method.
        parameters: the method's own, validated.
        seed: of all randomness.
        batch: the most clips in one probe.
        polarity: which side of a signed map is wanted.
        recorder: of the device, if it has one.
    """

    classifier: Classifier
    entry: Entry
    parameters: Parameters
    seed: int = 0
    batch: int = 1
    polarity: Polarity = "both"
    recorder: Recorder | None = None

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        method: str,
        given: Mapping[str, Any],
        *,
        seed: int = 0,
        batch: int = 1,
        polarity: Polarity = "both",
    ) -> Explainer:
        """Look the method up and validate its parameters.

        Raises:
            UnknownMethod, InvalidParameter: before anything is computed.
        """
        entry = catalogue.find(method)
        check_polarity(polarity, entry.name, signed=entry.signed)
        return cls(classifier, entry, entry.parse(given), seed=seed, batch=batch, polarity=polarity)

    @classmethod
    def several(
        cls,
        classifier: Classifier,
        methods: Sequence[str],
        given: Mapping[str, Any],
        *,
        seed: int = 0,
        batch: int = 1,
        polarity: Polarity = "both",
    ) -> list[Explainer]:
        """One explainer a method; of several methods each takes the parameters that it knows.

        Raises:
            UnknownMethod, InvalidParameter: before anything is computed.
        """
        if len(methods) == 1:
            return [
                cls.of(classifier, methods[0], given, seed=seed, batch=batch, polarity=polarity)
            ]
        known = {name: catalogue.find(name).parameters.model_fields for name in methods}
        for name in given:
            if not any(name in fields for fields in known.values()):
                raise InvalidParameter(
                    f"None of {', '.join(methods)} has a parameter {name!r}.", parameter=name
                )
        return [
            cls.of(
                classifier,
                method,
                {name: value for name, value in given.items() if name in fields},
                seed=seed,
                batch=batch,
                polarity=polarity,
            )
            for method, fields in known.items()
        ]

    def case(self, prepared: PreparedClip, target: int) -> Case:
        """What the method is given."""
        return Case(
            clip=prepared.clip.to(self.classifier.device),
            target=target,
            card=self.classifier.card,
            seed=self.seed,
            batch=self.batch,
            recorder=self.recorder,
        )

    def attribute(self, prepared: PreparedClip, target: int) -> Attribution:
        """The method's probes; the saliency carries its provenance."""
        case = self.case(prepared, target)
        saliency = yield from self.entry.load()(case, self.parameters)
        saliency = saliency.polarised(self.polarity)
        provenance = self.provenance(prepared, target)
        found = saliency.diagnostics
        provenance.update({name: found[name] for name in TOLD if name in found})
        return replace(saliency, provenance=provenance)

    def provenance(self, prepared: PreparedClip, target: int) -> dict[str, Any]:
        """What an auditor needs to make the same map again."""
        card = self.classifier.card
        return {
            "model": card.name,
            "weights_sha256": self.classifier.weights_sha256,
            "labels_sha256": card.labels_sha256,
            "videovisual": __version__,
            "torch": torch.__version__,
            "method": self.entry.name,
            "parameters": self.parameters.model_dump(mode="json"),
            "seed": self.seed,
            "polarity": self.polarity,
            "target": {"index": target, "label": card.labels[target]},
            "device": self.classifier.device.type,
            **_gpu(self.classifier.device),
            "threads": torch.get_num_threads(),
            "precision": str(prepared.clip.dtype).removeprefix("torch."),
            **prepared.facts,
        }


def _gpu(device: torch.device) -> dict[str, str]:
    """Which GPU it is, where it is one: another's answer differs by rounding."""
    return {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}


def explain(
    model: Classifier | str,
    clip: ClipLike,
    method: str = catalogue.DEFAULT,
    target: str | int = "top1",
    *,
    seed: int = 0,
    polarity: Polarity = "both",
    on_progress: Callable[[Progress], None] | None = None,
    **parameters: Any,
) -> Saliency:
    """Explain one clip, without a server.

    Args:
        model: a classifier, or a model's name.
        clip: path of a video or of a folder of frames; uint8 [T, H, W, 3] frames; an opened
            `videovisual.clips.Source`; or a prepared float32 tensor [3, T, H, W].
        method: an attribution method's name.
        target: a class name, an index, or `top1`.
        seed: of all randomness; the same seed gives the same map.
        polarity: of a signed map the `positive` or the `negative` side, each unsigned, or `both`,
            the map as it is.
        on_progress: called before each step.
        parameters: the method's own.

    Returns:
        The saliency; its map is float32 [T, H, W] over the model's crop.

    Raises:
        VideoVisualError: one of `videovisual.errors`, saying what to change.
    """
    classifier = load(model) if isinstance(model, str) else model
    explainer = Explainer.of(classifier, method, parameters, seed=seed, polarity=polarity)
    prepared = read(classifier, clip)
    oracle = Oracle(classifier.network, classifier.device)
    logits = run(oracle, classification(prepared.clip[None]))[0]
    index = resolve_target(classifier.card, target, logits)
    return run(oracle, explainer.attribute(prepared, index), on_progress)
