"""The library's own functions: classify a clip, explain the answer, and verify its record."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from videovisual import clips
from videovisual.attribution import catalogue
from videovisual.engine.progress import Progress
from videovisual.errors import Cancelled, InvalidParameter, VideoVisualError
from videovisual.evidence import Finding, PublicKey, Record, Verdict, Verification, compare
from videovisual.evidence import read as read_record
from videovisual.evidence import verify as check
from videovisual.evidence.comparison import not_computed, same_model
from videovisual.names import MODELS, own_models
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.pipeline import run_plan
from videovisual.pipeline.plan import Plan, check_one_window
from videovisual.pipeline.preprocessing import ClipLike, open_source
from videovisual.pipeline.recompute import recompute as recomputed
from videovisual.protocol import OF_EXPLANATIONS, Answer, split_options
from videovisual.render import ClipDrawing
from videovisual.saliency import Saliency
from videovisual.utils.clip_name import clip_name
from videovisual.utils.devices import usable_device
from videovisual.utils.polarity import Polarity
from videovisual.utils.suggest import did_you_mean
from videovisual.utils.text import shown
from videovisual.utils.validation import first_reason
from videovisual.zoo import Classifier, load

OPTIONS = ("top_k", "views", "timeline", "frames", "start_s", "end_s", "as_shown")
"""The options of `classify`."""


def classify(
    model: Classifier | str,
    clip: ClipLike,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Answer:
    """Classify a clip.

    Args:
        model: a classifier, or a model's name as of `load`.
        clip: path of a video, of a folder of frames or of a pipe, or `-` for standard input; a
            video's bytes or opened file; uint8 [T, H, W, 3] frames; an opened
            `videovisual.clips.Source`; or a prepared float32 tensor [3, T, H, W].
        on_progress: called before each window of several.
        options: `top_k`, how many classes to list, 1 to 1000; `views`, how many windows, 1 to 30,
            evenly spread, whose scores are averaged as the model's paper does; `timeline`, true to
            classify every second by itself too; `frames` of a window; `start_s` and `end_s`, the
            part of the clip that is looked at, in seconds; `as_shown`, false for the stored pixels
            of a file.

    Returns:
        The answer that a server gives.

    Raises:
        VideoVisualError: one of `videovisual.errors`; the message says what to change.
    """
    chosen, rest = split_options(options)
    if chosen.method:
        check_one_window(chosen)
    for name in options:
        if name in rest or name in ("method", *OF_EXPLANATIONS):
            raise InvalidParameter(
                f"A classification has no option {shown(name)!r}.{did_you_mean(name, OPTIONS)} "
                f"Allowed: {', '.join(OPTIONS)}.",
                parameter=shown(name),
                allowed=list(OPTIONS),
            )
    classifier = _classifier(model)
    plan = Plan.of(classifier, chosen, {})
    return run_plan(plan, lambda: clip, Executor(classifier, on_progress)).answer


def explain(
    model: Classifier | str,
    clip: ClipLike,
    method: str = catalogue.DEFAULT,
    target: str | int = "top1",
    *,
    seed: int = 0,
    polarity: Polarity = "both",
    frames: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    as_shown: bool = True,
    window: Literal["centre", "best"] = "centre",
    on_progress: Callable[[Progress], None] | None = None,
    **parameters: Any,
) -> Saliency:
    """Explain the classification of a clip.

    Args:
        model: a classifier, or a model's name. A classifier's network is optimised at the first
            call and kept for the next ones.
        clip: path of a video, of a folder of frames or of a pipe, or `-` for standard input; a
            video's bytes or opened file; uint8 [T, H, W, 3] frames; an opened
            `videovisual.clips.Source`; or a prepared float32 tensor [3, T, H, W].
        method: an attribution method's name.
        target: a class name (str), an index (int), or `top1`. Digits that are no class's name are
            an index too.
        seed: of all randomness; the same seed gives the same map.
        polarity: of a signed map the `positive` or the `negative` side, each unsigned, or `both`,
            the map as it is.
        frames: how many frames the model sees; the model's own number by default.
        start_s: where the part of the clip that is looked at starts, in seconds.
        end_s: where that part ends, in seconds.
        as_shown: whether frames of a file are those that a player shows: cropped, with square
            pixels, upright, high dynamic range mapped to standard. False for the stored pixels.
        window: which part of a longer clip is explained: its `centre`, or of up to 10 windows
            spread over it the `best`, in which the target is most likely.
        on_progress: called before each step.
        parameters: the method's own.

    Returns:
        The saliency; its map is float32 [T, H, W] over the model's crop. A notebook shows it as a
        filmstrip, and `save` writes it as a picture, a film or a report.

    Raises:
        VideoVisualError: one of `videovisual.errors`; the message says what to change.
    """
    options, _ = split_options(
        {
            "method": (method,),
            "target": (target,),
            "seed": seed,
            "polarity": polarity,
            "frames": frames,
            "start_s": start_s,
            "end_s": end_s,
            "as_shown": as_shown,
            "window": window,
        }
    )
    classifier = _classifier(model)
    plan = Plan.of(classifier, options, parameters)
    result = run_plan(plan, lambda: clip, Executor(classifier, on_progress))
    (saliency,), (explanation,) = result.saliencies, result.answer.explanations
    source = result.prepared.source if result.prepared else None
    if source is None:
        return saliency
    answer = result.answer.model_copy(update={"explanations": []})
    name = clip_name(clip)
    drawing = ClipDrawing(answer, explanation.method, explanation.target, source, name)
    return replace(saliency, drawing=drawing)


def verify(
    record: Record | str | os.PathLike[str],
    clip: str | os.PathLike[str] | bytes | IO[bytes] | npt.NDArray[np.uint8] | clips.Source,
    model: Classifier | str | None = None,
    *,
    keys: Sequence[PublicKey | str | os.PathLike[str]] = (),
    recompute: bool = True,
    device: str | None = None,
    store: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    loaded: dict[str, Classifier] | None = None,
) -> Verification:
    """Check an evidence record: its bytes, its signatures, its clip, and by computing again.

    Args:
        record: a record, or the path of one; also an answer that was saved as `.json` or `.npz`,
            by version 0.1 too.
        clip: the clip, as of `explain`.
        model: a classifier, or a model's name; by default the record's, if it is a published model
            or an archive of the store.
        keys: public keys, or their files, each of which must have signed the record.
        recompute: false to check no more than signatures and hashes.
        device: where a model given by name runs: `cpu`, `cuda`, …; by default a GPU if any.
        store: folder of the archives; as of `load`.
        on_progress: called before each step of computing again.
        loaded: models by name that calls share: what this one loads is added.

    Returns:
        A finding on each part, and the outcome.

    Raises:
        InvalidEvidence: the record is damaged or was changed.
        InvalidParameter: a key can't be used.
        VideoVisualError: the clip can't be read, or `model` can't be loaded.
    """
    known = record if isinstance(record, Record) else read_record(Path(record))
    public = [key if isinstance(key, PublicKey) else PublicKey.read(key) for key in keys]

    def again(stated: Answer, source: clips.Source) -> Iterator[Finding]:
        folder = None if store is None else Path(store)
        if model is None and stated.model not in (*MODELS, *own_models(folder)):
            # A name in a record must not make this machine download or read anything.
            yield not_computed(f"the model {shown(stated.model)!r} is unknown here: give it")
            return
        classifier = _placed(model or stated.model, device, folder, loaded)
        try:
            found = same_model(stated, classifier.weights_sha256, classifier.card.labels_sha256)
            yield found
            if found.verdict is not Verdict.DIFFERS:
                yield from compare(stated, recomputed(classifier, source, stated, on_progress))
        except Cancelled:
            raise
        except (VideoVisualError, ValidationError) as error:
            yield not_computed(first_reason(error))

    def opened(as_shown: bool) -> clips.Source:
        return open_source(clip, as_shown=as_shown)

    return check(known, opened, public, again if recompute else None)


def _placed(
    model: Classifier | str,
    device: str | None,
    store: Path | None,
    loaded: dict[str, Classifier] | None,
) -> Classifier:
    """A classifier as it is, or one of a name on a device."""
    if not isinstance(model, str):
        return _classifier(model)
    known = {} if loaded is None else loaded
    if model not in known:
        named = device or ("cuda" if torch.cuda.is_available() else "cpu")
        known[model] = load(model, store=store, device=usable_device(named))
    return known[model]


def _classifier(model: Classifier | str) -> Classifier:
    if isinstance(model, Classifier):
        return model
    if isinstance(model, str):
        return load(model)
    raise InvalidParameter(
        f"`model` is a classifier or a model's name, not {type(model).__name__}. Wrap a network "
        "of your own: `Classifier(ModelCard(…), network)`.",
        parameter="model",
    )
