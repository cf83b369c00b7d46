"""The measures of an explanation that a request asks for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from videovisual import faithfulness
from videovisual.engine.probe import Attribution
from videovisual.errors import DeadlineExceeded
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.finite import check_numbers
from videovisual.pipeline.preprocessing import PreparedClip
from videovisual.protocol import Options
from videovisual.saliency import Saliency

Scores = dict[str, float | None]


class Evaluation:
    """Measures the maps of one explanation.

    Args:
        explainer: what made the map, on the device that it ran on.
        prepared: the clip.
        target: the class that was explained.
        executor: runs the network.
        where: how the explanation was run: `device` and `subject` of `Executor.run`.
    """

    def __init__(
        self,
        explainer: Explainer,
        prepared: PreparedClip,
        target: int,
        executor: Executor,
        where: Mapping[str, Any],
    ) -> None:
        self._explainer = explainer
        self._prepared = prepared
        self._target = target
        self._executor = executor
        self._where = where

    def measured(self, options: Options, saliency: Saliency) -> tuple[Saliency, Scores | None]:
        """The map with what is to be told of its measures, and the measures that were asked for.

        Raises:
            DeadlineExceeded: no partial answer is wanted; of a partial one the map says so.
            NotFinite: a measure is NaN or infinite.
        """
        scores: Scores = {}
        undefined: dict[str, str] = {}
        steps = ((options.evaluate, self._faithfulness), (options.stability, self._stability))
        try:
            for wanted, measure in steps:
                if wanted:
                    found, reasons = measure(saliency)
                    scores |= found
                    undefined |= reasons
        except DeadlineExceeded:
            if not options.partial:
                raise
            saliency = saliency.with_facts(evaluated=False)
        check_numbers("the faithfulness", scores)
        return saliency.with_facts(undefined=undefined) if undefined else saliency, scores or None

    def _faithfulness(self, saliency: Saliency) -> tuple[Scores, Mapping[str, str]]:
        case = self._explainer.case(self._prepared, self._target)
        found = self._executor.run(faithfulness.evaluate(case, saliency), **self._where)
        return found.to_json(), found.undefined

    def _stability(self, saliency: Saliency) -> tuple[Scores, Mapping[str, str]]:
        case = self._explainer.case(self._prepared, self._target)
        area = faithfulness.area_of(saliency)
        work = faithfulness.stability(case, saliency, self._attribute, area)
        found = self._executor.run(work, **self._where)
        return found.to_json(), found.undefined

    def _attribute(self, clip: torch.Tensor, seed: int) -> Attribution:
        changed = replace(self._prepared, clip=clip)
        return replace(self._explainer, seed=seed).attribute(changed, self._target)
