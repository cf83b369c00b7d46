"""Classification and explanation as a service; any server can put it behind its routes."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from videovisual import faithfulness, render, survey
from videovisual.attribution import catalogue
from videovisual.clips import Limits, sample
from videovisual.engine.engine import Engine
from videovisual.engine.oracle import Oracle
from videovisual.engine.probe import Classification, classification
from videovisual.errors import InvalidParameter, Overloaded, TooLarge, VideoVisualError
from videovisual.explanation import (
    Explainer,
    PreparedClip,
    prediction,
    predictions,
    prepare,
    resolve_target,
    sampling,
)
from videovisual.intake import Intake, Request
from videovisual.intake import read as read_request
from videovisual.protocol import Answer, Explanation, Options, Output, split_options
from videovisual.saliency import Saliency
from videovisual.ticket import Reply, Ticket, error_reply
from videovisual.zoo import Classifier

logger = logging.getLogger(__name__)

SETTINGS_VARIABLE = "VIDEOVISUAL_SETTINGS"


@dataclass(frozen=True)
class Settings:
    """What the operator decides.

    Attributes:
        limits: on incoming clips.
        max_requests: requests under way at once; more are refused with 503.
        decoders: clips decoded at once.
        max_reply_bytes: the largest answer; it must be below the server's own limit.
        retry_after_s: what a refused client is told to wait.
    """

    limits: Limits = field(default_factory=Limits)
    max_requests: int = 32
    decoders: int = 2
    max_reply_bytes: int = 96 * 2**20
    retry_after_s: int = 2

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings in the JSON file that $VIDEOVISUAL_SETTINGS names, or the defaults.

        Raises:
            InvalidParameter: the file can't be read, or has a setting that there isn't.
        """
        name = os.environ.get(SETTINGS_VARIABLE)
        if not name:
            return cls()
        try:
            given = json.loads(Path(name).read_text("utf-8"))
            limits = Limits(**given.pop("limits", {}))
            return cls(limits=limits, **given)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            known = [field.name for field in dataclasses.fields(cls)]
            raise InvalidParameter(
                f"${SETTINGS_VARIABLE} names {name}, which can't be used: {error}. It is a JSON "
                f"object with any of {', '.join(known)}.",
                allowed=known,
            ) from None


class Service:
    """One classifier with its engine.

    Every request is answered on its own: an error becomes that request's reply and touches
    nothing else.
    """

    def __init__(
        self,
        classifier: Classifier,
        device: torch.device | str = "cpu",
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.classifier = classifier.to(device)
        self.engine = Engine(Oracle(classifier.network, device))
        self._requests = ThreadPoolExecutor(
            self.settings.max_requests, thread_name_prefix="videovisual-request"
        )
        self._decoders = threading.Semaphore(self.settings.decoders)
        self._active = 0
        self._changed = threading.Condition()

    def warm_up(self) -> None:
        """Run one clip through, so that the first request doesn't pay for it."""
        spec = self.classifier.card.input
        clip = torch.zeros(1, 3, spec.frames, spec.crop, spec.crop)
        self.engine.submit(classification(clip)).result()

    def submit(self, request: Request) -> Ticket:
        """Take a request in; the ticket's reply comes when it is ready."""
        ticket = Ticket(self._notify)
        with self._changed:
            if self._active >= self.settings.max_requests:
                ticket.finish(error_reply(self._overloaded()))
                return ticket
            self._active += 1
        self._requests.submit(self._serve, request, ticket)
        return ticket

    def wait(self, seconds: float) -> None:
        """Return when any ticket has news, or after `seconds`."""
        with self._changed:
            self._changed.wait(seconds)

    def close(self) -> None:
        """Cancel what is running and end all threads."""
        self.engine.close()
        self._requests.shutdown(wait=True, cancel_futures=True)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _overloaded(self) -> Overloaded:
        return Overloaded(
            f"{self.settings.max_requests} requests are under way, as many as this model takes. "
            f"Try again in {self.settings.retry_after_s} s.",
            retry_after_s=self.settings.retry_after_s,
        )

    def _serve(self, request: Request, ticket: Ticket) -> None:
        try:
            reply = self._answer(request, ticket)
        except VideoVisualError as error:
            if error.status == VideoVisualError.status:
                logger.exception("request failed")
            reply = error_reply(error)
        except Exception:
            # A bug must cost one request, never the worker.
            logger.exception("request failed")
            reply = error_reply(VideoVisualError("The server failed on this request; see its log."))
        with self._changed:
            self._active -= 1
        ticket.finish(reply)

    def _answer(self, request: Request, ticket: Ticket) -> Reply:
        intake = read_request(request)
        options, parameters = split_options(intake.options)
        explainers = self._explainers(request, options, parameters)
        card = self.classifier.card
        for target in options.target:
            if target.strip().lower() != "top1":
                card.target(target)
        if options.timeout_s is not None:
            ticket.deadline = time.monotonic() + options.timeout_s
        ticket.content_type = options.output.content_type
        if options.stream:
            ticket.start_stream()
        if survey.wanted(options):
            answer = self._survey(intake, options, ticket)
            return self._reply(answer, [], None, options.output, kserve=intake.kserve)

        prepared = self._decode(intake, options)
        logits = ticket.run(self.engine, classification(prepared.clip[None]), urgent=True)[0]
        answer = Answer(
            model=card.name,
            predictions=predictions(card, logits, options.top_k),
            clip=dict(prepared.facts),
        )
        saliencies: list[Saliency] = []
        for explainer in explainers:
            for target in options.target:
                index = resolve_target(card, target, logits)
                saliency, scores = self._explain(explainer, prepared, index, options, ticket)
                saliencies.append(saliency)
                shown = prediction(card, logits, index)
                answer.explanations.append(
                    Explanation.of(saliency, explainer.entry.name, shown, scores)
                )
        return self._reply(answer, saliencies, prepared, options.output, kserve=intake.kserve)

    def _explain(
        self,
        explainer: Explainer,
        prepared: PreparedClip,
        target: int,
        options: Options,
        ticket: Ticket,
    ) -> tuple[Saliency, dict[str, float | None] | None]:
        work = explainer.attribute(prepared, target)
        saliency = ticket.run(self.engine, work, priority=options.priority)
        if not options.evaluate:
            return saliency, None
        measure = faithfulness.evaluate(explainer.case(prepared, target), saliency)
        return saliency, ticket.run(self.engine, measure, priority=options.priority).to_json()

    def _explainers(
        self, request: Request, options: Options, parameters: Mapping[str, Any]
    ) -> list[Explainer]:
        methods = options.method or ((catalogue.DEFAULT,) if request.explain else ())
        survey.check(options, explains=bool(methods))
        if not methods:
            _check_no_explanation_is_meant(options, parameters)
            return []
        explainers = Explainer.several(
            self.classifier,
            methods,
            parameters,
            seed=options.seed,
            batch=self.engine.oracle.batch,
        )
        for explainer in explainers:
            layer = getattr(explainer.parameters, "layer", None)
            if layer is not None:
                self.engine.oracle.check_layer(layer)
        return explainers

    def _survey(self, intake: Intake, options: Options, ticket: Ticket) -> Answer:
        with self._decoders:
            source = intake.open(self.settings.limits)

        def evaluate(work: Classification) -> torch.Tensor:
            return ticket.run(self.engine, work, urgent=True)

        return survey.survey(self.classifier, source, options, evaluate, self._decoders)

    def _decode(self, intake: Intake, options: Options) -> PreparedClip:
        plan = sampling(self.classifier.card, options)
        with self._decoders:
            source = intake.open(self.settings.limits)
            (clip,) = sample(source, plan)
            return dataclasses.replace(prepare(self.classifier, clip), source=source)

    def _reply(
        self,
        answer: Answer,
        saliencies: list[Saliency],
        prepared: PreparedClip | None,
        output: Output,
        *,
        kserve: bool,
    ) -> Reply:
        body = self._body(answer, saliencies, prepared, output, kserve=kserve)
        if len(body) > self.settings.max_reply_bytes:
            raise TooLarge(
                f"The answer has {len(body)} bytes, more than the {self.settings.max_reply_bytes} "
                "that may be sent. Ask for fewer targets or frames, or for output=png.",
                given=len(body),
                maximum=self.settings.max_reply_bytes,
            )
        return Reply(200, output.content_type, body)

    def _body(
        self,
        answer: Answer,
        saliencies: list[Saliency],
        prepared: PreparedClip | None,
        output: Output,
        *,
        kserve: bool,
    ) -> bytes:
        if output is Output.JSON:
            data: Any = answer.model_dump(mode="json")
            if kserve:
                data = {"predictions": [data]}
            return json.dumps(data).encode()
        if output is Output.NPZ:
            return render.to_npz(answer, saliencies)
        assert prepared is not None
        assert prepared.frames is not None
        panels = render.panels(answer, saliencies, prepared.frames, prepared.source)
        if output is Output.HTML:
            return render.to_html(answer, panels)
        draw = {
            Output.PNG: render.to_png,
            Output.GIF: render.to_gif,
            Output.MP4: render.to_mp4,
        }
        return draw[output](panels)


def _check_no_explanation_is_meant(options: Options, parameters: Mapping[str, Any]) -> None:
    """Raises InvalidParameter where a request without a method asks for what only methods give."""
    if parameters:
        raise InvalidParameter(
            f"Unknown option {next(iter(parameters))[:80]!r}. Options are "
            f"{', '.join(Options.model_fields)}; a method's own parameters need a `method`.",
            parameter=next(iter(parameters))[:80],
            allowed=list(Options.model_fields),
        )
    if options.output is not Output.JSON or options.evaluate:
        name = "evaluate" if options.evaluate else "output"
        raise InvalidParameter(
            f"{name} is about an explanation, and none is asked for: give a `method`.",
            parameter=name,
            given=str(getattr(options, name)),
        )
