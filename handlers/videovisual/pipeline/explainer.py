"""From frames to saliency, with its provenance: the same steps with and without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from videovisual.attribution import catalogue
from videovisual.attribution.catalogue import Entry
from videovisual.attribution.method import Case
from videovisual.attribution.parameters import Parameters
from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.probe import Attribution
from videovisual.errors import InvalidParameter
from videovisual.pipeline.preprocessing import PreparedClip
from videovisual.utils.polarity import Polarity, check_polarity
from videovisual.version import __version__
from videovisual.zoo import Classifier

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
