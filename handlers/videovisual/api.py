"""The library's own functions: classify a clip, and explain the answer, without a server."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from videovisual.attribution import catalogue
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.pipeline import run_plan
from videovisual.pipeline.plan import Plan, check_one_window
from videovisual.pipeline.preprocessing import ClipLike
from videovisual.protocol import OF_EXPLANATIONS, Answer, split_options
from videovisual.render import ClipDrawing
from videovisual.saliency import Saliency
from videovisual.utils.polarity import Polarity
from videovisual.utils.suggest import did_you_mean
from videovisual.utils.text import shown
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
    drawing = ClipDrawing(answer, explanation.method, explanation.target, source)
    return replace(saliency, drawing=drawing)


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
