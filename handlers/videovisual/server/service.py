"""Classification and explanation as a service; any server can put it behind its routes."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch

from videovisual import faithfulness, render
from videovisual.attribution import catalogue
from videovisual.clips import sample
from videovisual.engine.probe import Classification, classification
from videovisual.errors import (
    DeadlineExceeded,
    InvalidParameter,
    Overloaded,
    TooLarge,
    VideoVisualError,
)
from videovisual.pipeline import multiview
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.prediction import prediction, predictions, resolve_target
from videovisual.pipeline.preprocessing import PreparedClip, prepare, sampling
from videovisual.protocol import (
    Answer,
    Explanation,
    Options,
    Output,
    check_classifies,
    split_options,
)
from videovisual.protocol.npz import to_npz
from videovisual.saliency import Saliency
from videovisual.server import engine_factory
from videovisual.server.admission import Admission, Place
from videovisual.server.metrics import Counts
from videovisual.server.reply import JSON, Reply, error_reply
from videovisual.server.request import Intake, Request
from videovisual.server.request import read as read_request
from videovisual.server.request_state import RequestState
from videovisual.server.settings import Settings
from videovisual.server.telemetry import Telemetry
from videovisual.zoo import Classifier


class Service:
    """One classifier with its engine.

    Every request is answered on its own: an error becomes that request's reply and touches
    nothing else.

    Args:
        classifier: what is served.
        devices: where: a device, or several, each of which gets a copy.
        settings: the operator's.
        counts: where it is written down what happens.
    """

    def __init__(
        self,
        classifier: Classifier,
        devices: torch.device | str | Sequence[torch.device | str] = "cpu",
        settings: Settings | None = None,
        counts: Counts | None = None,
    ) -> None:
        several = [devices] if isinstance(devices, torch.device | str) else devices
        self.settings = settings or Settings()
        self.classifier = classifier.to(several[0])
        self._copies = [self.classifier] + [
            copy.deepcopy(self.classifier).to(device) for device in several[1:]
        ]
        self.ledger = Telemetry(classifier.card.name, counts or Counts())
        self.engine = engine_factory.engine(self._copies, self.settings, self.ledger.passed)
        self._admission = Admission(self.settings)
        self._requests = ThreadPoolExecutor(
            self.settings.max_running
            + self.settings.max_waiting
            + self.settings.max_classifications,
            thread_name_prefix="videovisual-request",
        )
        self._decoders = threading.Semaphore(self.settings.decoders)
        self._tickets: dict[str, RequestState] = {}
        self._changed = threading.Condition()
        self._news = 0

    def warm_up(self) -> None:
        """Run some clips through, so that the first request doesn't pay for it."""
        spec = self.classifier.card.input
        clip = torch.zeros(1, 3, spec.frames, spec.crop, spec.crop)
        for number, device in enumerate(self.engine.devices):
            device.oracle.prepare(clip[0])
            device.settle(partial(self._classify, clip, number))

    def submit(self, request: Request, number: str | None = None) -> RequestState:
        """Take a request in; the ticket's reply comes when it is ready.

        Args:
            request: a clip and its options, or `{"cancel": number}`.
            number: the request's id; made up unless given.
        """
        ticket = RequestState(number or uuid.uuid4().hex, self._notify)
        given_up = request.cancels()
        if given_up is not None:
            body = json.dumps({"cancelled": self.cancel(given_up)}).encode()
            ticket.finish(Reply(200, JSON, body))
            return ticket
        explains, size = request.explains(), request.size()
        try:
            place = self._admission.enter(size, explains=explains)
        except Overloaded as error:
            ticket.finish(error_reply(error))
            self.ledger.refused(ticket, error)
            return ticket
        with self._changed:
            self._tickets[ticket.number] = ticket
        self._requests.submit(self._serve, request, ticket, place)
        return ticket

    def cancel(self, number: str) -> bool:
        """Give a request up; whether there was one of that id."""
        with self._changed:
            ticket = self._tickets.get(number)
        if ticket is not None:
            ticket.cancel()
        return ticket is not None

    def wait(self, seconds: float, news: int | None = None) -> int:
        """Return when any ticket has news, or after `seconds`.

        Args:
            seconds: how long at most.
            news: what the last call returned; returns at once if there was news since.
        """
        with self._changed:
            before = self._news if news is None else news
            self._changed.wait_for(lambda: self._news != before, seconds)
            return self._news

    def measure(self) -> None:
        """Write down how full and how large it is now."""
        self.ledger.level(self._admission.counts(), self.engine.devices)

    def close(self) -> None:
        """Cancel what is running and end all threads."""
        with self._changed:
            tickets = list(self._tickets.values())
        for ticket in tickets:
            ticket.cancel()
        self.engine.close()
        self._requests.shutdown(wait=True, cancel_futures=True)

    def _notify(self) -> None:
        with self._changed:
            self._news += 1
            self._changed.notify_all()
        self._admission.wake()

    def _serve(self, request: Request, ticket: RequestState, place: Place) -> None:
        try:
            reply = self._answer(request, ticket, place)
        except VideoVisualError as error:
            if isinstance(error, Overloaded):
                self.ledger.refused(ticket, error)
            if error.status == VideoVisualError.status:
                self.ledger.fault(ticket)
            reply = error_reply(error)
        except Exception:
            # A bug must cost one request, never the worker.
            self.ledger.fault(ticket)
            reply = error_reply(VideoVisualError("The server failed on this request; see its log."))
        self._admission.leave(place)
        with self._changed:
            self._tickets.pop(ticket.number, None)
        self.ledger.answered(ticket, reply)
        ticket.finish(reply)

    def _answer(self, request: Request, ticket: RequestState, place: Place) -> Reply:
        try:
            intake = read_request(request)
            options, parameters = split_options(intake.options)
            explainers = self._explainers(request, options, parameters)
        except RecursionError:
            raise InvalidParameter("Options are plain values, or lists of such.") from None
        card = self.classifier.card
        for target in options.target:
            if target.strip().lower() != "top1":
                card.target(target)
        if options.timeout_s is not None:
            ticket.deadline = time.monotonic() + options.timeout_s
            ticket.wants_best = options.partial
        ticket.content_type = options.output.content_type
        ticket.methods = tuple(explainer.entry.name for explainer in explainers)
        if options.stream:
            ticket.partial_every_s = options.partial_every_s
            ticket.start_stream(self._admission.ahead(place))
        self._admission.wait(place, lambda: ticket.cancelled, ticket.deadline)
        if multiview.wanted(options):
            answer = self._survey(intake, options, ticket)
            return self._reply(answer, [], None, options.output, kserve=intake.kserve)

        prepared = self._decode(intake, options)
        self._admission.hold(place, _bytes(prepared))
        # As part of an explanation it waits like the rest of it.
        work = classification(prepared.clip[None])
        logits = ticket.run(self.engine, work, urgent=not explainers)[0]
        answer = Answer(
            model=card.name,
            predictions=predictions(card, logits, options.top_k),
            clip=dict(prepared.facts),
        )
        saliencies: list[Saliency] = []
        for explainer, target in itertools.product(explainers, options.target):
            index = resolve_target(card, target, logits)
            try:
                saliency, scores = self._explain(explainer, prepared, index, options, ticket)
            except DeadlineExceeded:
                if not (options.partial and saliencies):
                    raise
                break
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
        ticket: RequestState,
    ) -> tuple[Saliency, dict[str, float | None] | None]:
        """One map and how faithful it is; the best so far where the deadline is for that.

        Raises:
            DeadlineExceeded: before there was any map.
        """
        device = self.engine.place()
        here = dataclasses.replace(
            explainer,
            classifier=self._copies[device],
            recorder=self.engine.devices[device].oracle.recorder,
        )
        subject = {
            "method": explainer.entry.name,
            "target": self.classifier.card.labels[target],
        }
        try:
            saliency = ticket.run(
                self.engine,
                here.attribute(prepared, target),
                subject=subject,
                device=device,
                priority=options.priority,
            )
        except DeadlineExceeded:
            if not options.partial or ticket.best is None:
                raise
            best = ticket.best()
            return dataclasses.replace(
                best,
                diagnostics={**best.diagnostics, "partial": True},
                provenance=here.provenance(prepared, target),
            ), None
        if not options.evaluate:
            return saliency, None
        measure = faithfulness.evaluate(here.case(prepared, target), saliency)
        scores = ticket.run(
            self.engine, measure, subject=subject, device=device, priority=options.priority
        )
        return saliency, scores.to_json()

    def _explainers(
        self, request: Request, options: Options, parameters: Mapping[str, Any]
    ) -> list[Explainer]:
        methods = options.method or ((catalogue.DEFAULT,) if request.explain else ())
        multiview.check(options, explains=bool(methods))
        if not methods:
            check_classifies(options, parameters)
            return []
        explainers = Explainer.several(
            self.classifier,
            methods,
            parameters,
            seed=options.seed,
            batch=self.engine.oracle.batch,
            polarity=options.polarity,
        )
        for explainer in explainers:
            layer = getattr(explainer.parameters, "layer", None)
            if layer is not None:
                self.engine.oracle.check_layer(layer)
        return explainers

    def _classify(self, clip: torch.Tensor, device: int) -> torch.Tensor:
        return self.engine.submit(classification(clip), device=device, urgent=True).result()

    def _survey(self, intake: Intake, options: Options, ticket: RequestState) -> Answer:
        with self._decoders:
            source = intake.open(self.settings.limits)

        def evaluate(work: Classification) -> torch.Tensor:
            return ticket.run(self.engine, work, urgent=True)

        return multiview.survey(self.classifier, source, options, evaluate, self._decoders)

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
            return to_npz(answer)
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


def _bytes(prepared: PreparedClip) -> int:
    frames = 0 if prepared.frames is None else prepared.frames.nbytes
    return frames + prepared.clip.nbytes
