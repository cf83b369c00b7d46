"""A request's options → what will be computed, checked before any frame is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from videovisual import clips
from videovisual.attribution import catalogue
from videovisual.engine.model_runner import find_layer
from videovisual.errors import InvalidParameter, UnsuitableMethod
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.prediction import is_top1
from videovisual.pipeline.preprocessing import sampling
from videovisual.protocol import Options, check_classifies
from videovisual.zoo import Classifier


@dataclass(frozen=True)
class Plan:
    """A valid request to one classifier.

    Attributes:
        classifier: what answers.
        options: the request's own.
        explainers: one a method; none for a classification.
        sampling: which frames the classifier sees.
    """

    classifier: Classifier
    options: Options
    explainers: tuple[Explainer, ...]
    sampling: clips.Sampling

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        options: Options,
        parameters: Mapping[str, Any],
        *,
        explain: bool = False,
    ) -> "Plan":
        """Check everything that can be checked without the clip.

        Args:
            classifier: what answers.
            options: the request's own.
            parameters: the methods' own, by name, not yet validated.
            explain: whether an explanation is asked for where `options` name no method.

        Raises:
            UnknownMethod, InvalidTarget, InvalidParameter: what was asked for cannot be had.
        """
        card = classifier.card
        default = catalogue.DEFAULT if classifier.differentiable else catalogue.DEFAULT_BY_SCORES
        methods = options.method or ((default,) if explain else ())
        if methods:
            check_one_window(options)
        else:
            check_classifies(options, parameters)
        for target in options.target:
            if not is_top1(target):
                card.target(target)
        if options.timeline and options.views > 1:
            raise InvalidParameter(
                "A timeline has one window a second already. Leave views out, or timeline.",
                parameter="views",
                given=options.views,
            )
        explainers = Explainer.several(
            classifier, methods, parameters, seed=options.seed, polarity=options.polarity
        )
        for explainer in explainers:
            _check_has(classifier, explainer.entry)
            if hasattr(explainer.parameters, "layer"):
                find_layer(classifier.network, explainer.parameters.layer or card.cam_layer)
        return cls(classifier, options, tuple(explainers), sampling(card, options))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods by their own names."""
        return tuple(explainer.entry.name for explainer in self.explainers)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, height and width of the clip that the network takes."""
        spec = self.classifier.card.input
        return self.sampling.frames, spec.height, spec.width

    @property
    def several_windows(self) -> bool:
        """Whether more than one window of the clip is classified."""
        return self.options.views > 1 or self.options.timeline


def _check_has(classifier: Classifier, entry: catalogue.Entry) -> None:
    """Raises UnsuitableMethod where a method needs more of the network than there is."""
    if classifier.differentiable or entry.needs == "scores":
        return
    allowed = [each.name for each in catalogue.ENTRIES if each.needs == "scores"]
    raise UnsuitableMethod(
        f"{entry.name} needs {entry.needs.replace(',', ' and')}, and {classifier.card.name} is "
        f"known by its scores alone: ask for {', '.join(allowed[:-1])} or {allowed[-1]}.",
        parameter="method",
        given=entry.name,
        allowed=allowed,
    )


def check_one_window(options: Options) -> None:
    """Raises InvalidParameter where an explanation is asked for with `views` or `timeline`."""
    for name, several in (("timeline", options.timeline), ("views", options.views > 1)):
        if several:
            raise InvalidParameter(
                f"{name} is for classification only: an explanation is of one window. Leave "
                f"{name} out, and choose the window with start_s and end_s.",
                parameter=name,
            )
