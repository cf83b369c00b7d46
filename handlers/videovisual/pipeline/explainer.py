"""One attribution method on one classifier, and the provenance of its maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from videovisual.attribution import catalogue
from videovisual.attribution.catalogue import Entry
from videovisual.attribution.method import Case
from videovisual.attribution.parameters import Parameters
from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.probe import Attribution, Probe
from videovisual.errors import InvalidParameter
from videovisual.pipeline.finite import check_reading, check_saliency
from videovisual.pipeline.preprocessing import PreparedClip
from videovisual.saliency import Saliency
from videovisual.utils.polarity import Polarity, check_polarity
from videovisual.utils.processor import processor
from videovisual.utils.suggest import did_you_mean
from videovisual.utils.text import shown
from videovisual.version import __version__
from videovisual.zoo import Classifier, ModelCard

FROM_DIAGNOSTICS = ("precision",)
"""Facts of a run that its provenance repeats: another run needs them to give the same map."""


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
        recorder: of the device, where it records searches as CUDA graphs.
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
    ) -> "Explainer":
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
        polarity: Polarity = "both",
    ) -> "list[Explainer]":
        """One explainer a method; each of several methods takes the parameters that it has.

        Raises:
            UnknownMethod, InvalidParameter: before anything is computed.
        """
        entries = [catalogue.find(name) for name in methods]
        fields = {found.name: found.parameters.model_fields for found in entries}
        for name in given if len(fields) > 1 else ():
            if not any(name in known for known in fields.values()):
                own = [parameter for known in fields.values() for parameter in known]
                raise InvalidParameter(
                    f"None of {', '.join(found.name for found in entries)} has a parameter "
                    f"{shown(name)!r}.{did_you_mean(name, own)}",
                    parameter=shown(name),
                )
        return [
            cls.of(
                classifier,
                method,
                {name: given[name] for name in given if len(fields) == 1 or name in known},
                seed=seed,
                polarity=polarity,
            )
            for method, known in fields.items()
        ]

    def case(self, prepared: PreparedClip, target: int) -> Case:
        """The method's input."""
        return Case(
            clip=prepared.clip.to(self.classifier.device),
            target=target,
            card=self.classifier.card,
            seed=self.seed,
            batch=self.batch,
            recorder=self.recorder,
        )

    def attribute(self, prepared: PreparedClip, target: int) -> Attribution:
        """The method's probes; a partial map is completed in the same way as the whole one.

        Raises:
            NotFinite: the network's answers, the map, or the partial map that was asked for, are
                not finite.
        """
        method = self.entry.load()(self.case(prepared, target), self.parameters)
        try:
            probe = next(method)
            while True:
                reading = yield self._with_whole_partial(probe, prepared, target)
                check_reading(self.entry.name, reading)
                probe = method.send(reading)
        except StopIteration as stop:
            return self._complete(stop.value, prepared, target)
        finally:
            method.close()

    def provenance(self, prepared: PreparedClip, target: int) -> dict[str, Any]:
        """What an auditor needs to make the same map again."""
        card = self.classifier.card
        return {
            "model": card.name,
            "weights_sha256": self.classifier.weights_sha256,
            **_stored(self.classifier.weights_dtype),
            **_meaning(card),
            "labels_sha256": card.labels_sha256,
            "temporal_stride": self.classifier.temporal_stride,
            "videovisual": __version__,
            "torch": torch.__version__,
            **getattr(self.classifier.network, "runtime", {}),
            "method": self.entry.name,
            "parameters": self.parameters.model_dump(mode="json"),
            "seed": self.seed,
            "polarity": self.polarity,
            "target": {"index": target, "label": card.labels[target]},
            "device": self.classifier.device.type,
            **_gpu(self.classifier.device),
            "cpu": processor(),
            "threads": torch.get_num_threads(),
            "precision": str(prepared.clip.dtype).removeprefix("torch."),
            **prepared.facts,
        }

    def _with_whole_partial(self, probe: Probe, prepared: PreparedClip, target: int) -> Probe:
        """The probe; the best map so far that it reports has its provenance too."""
        progress = probe.progress
        if progress is None or progress.partial is None:
            return probe
        best = progress.partial

        def partial() -> Saliency:
            saliency = best()
            facts = {**saliency.diagnostics, "partial": True}
            return self._complete(replace(saliency, diagnostics=facts), prepared, target)

        return replace(probe, progress=replace(progress, partial=partial))

    def _complete(self, saliency: Saliency, prepared: PreparedClip, target: int) -> Saliency:
        """The method's own result, of the polarity that is wanted and with its provenance.

        Raises:
            NotFinite: the map or its diagnostics contain NaN or infinity.
        """
        check_saliency(self.entry.name, saliency)
        facts = saliency.diagnostics
        if saliency.map.min() == saliency.map.max():
            facts = {**facts, "constant": True}
        found = {name: facts[name] for name in FROM_DIAGNOSTICS if name in facts}
        provenance = {**self.provenance(prepared, target), **found}
        polarised = saliency.polarised(self.polarity)
        return replace(polarised, diagnostics=facts, provenance=provenance)


def _stored(dtype: str | None) -> dict[str, str]:
    """The weights' dtype in their file, where it is narrower than what is computed with."""
    return {"weights_dtype": dtype} if dtype else {}


def _meaning(card: ModelCard) -> dict[str, str]:
    """What the scores mean, where they aren't logits of classes of which one holds."""
    return {} if card.scores == "softmax" else {"scores": card.scores}


def _gpu(device: torch.device) -> dict[str, str]:
    """The GPU's name, where the device is one: another GPU's answer differs by rounding."""
    return {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
