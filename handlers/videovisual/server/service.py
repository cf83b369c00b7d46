"""Classification and explanation as a service; a server's adapter puts it behind its routes."""

import copy
import json
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import torch

from videovisual import evidence, render
from videovisual.clips import Source
from videovisual.engine.probe import classification
from videovisual.errors import Cancelled, InvalidParameter, Overloaded, VideoVisualError
from videovisual.pipeline.cost import Cost, check_passes
from videovisual.pipeline.pipeline import Result, run_plan
from videovisual.pipeline.plan import Plan
from videovisual.protocol import Answer, Options, Output, split_options
from videovisual.protocol.npz import to_npz
from videovisual.server import engine_factory
from videovisual.server.admission import Admission, Place
from videovisual.server.executor import EngineExecutor
from videovisual.server.inference_protocol import v1, v2
from videovisual.server.jobs import OWN_BYTES, Job, Jobs, request_key
from videovisual.server.metrics import Counts
from videovisual.server.reply import JSON, Reply, check_reply_size, error_reply
from videovisual.server.request import ParsedRequest, Request, opened, parse
from videovisual.server.request_state import RequestState
from videovisual.server.settings import Settings
from videovisual.server.telemetry import Telemetry
from videovisual.zoo import Classifier


class Service:
    """One classifier with its engine.

    Every request is answered on its own: an error becomes that request's reply and touches no
    other request.

    Args:
        classifier: what is served.
        devices: a device, or several, each of which gets a copy of the network.
        settings: the server's.
        counts: takes the metrics.
        admission: of all services of one process, which then share its limits.
        jobs: of all services of one process; None refuses `job=true`.
    """

    def __init__(
        self,
        classifier: Classifier,
        devices: torch.device | str | Sequence[torch.device | str] = "cpu",
        settings: Settings | None = None,
        counts: Counts | None = None,
        admission: Admission | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        several = [devices] if isinstance(devices, torch.device | str) else devices
        self.settings = settings or Settings()
        self.classifier = classifier.to(several[0])
        self._copies = [self.classifier] + [
            copy.deepcopy(self.classifier).to(device) for device in several[1:]
        ]
        self.telemetry = Telemetry(classifier.card.name, counts or Counts())
        self.engine = engine_factory.engine(self._copies, self.settings, self.telemetry.passed)
        named = self.settings.signing_key
        self._signing_key = None if named is None else evidence.SigningKey.read(named)
        self._admission = admission or Admission(self.settings)
        self._jobs = jobs
        self._requests = ThreadPoolExecutor(
            self.settings.max_running
            + self.settings.max_waiting
            + self.settings.max_classifications,
            thread_name_prefix="videovisual-request",
        )
        self._states: dict[str, RequestState] = {}
        self._changed = threading.Condition()
        self._changes = 0

    def warm_up(self) -> None:
        """Run some clips through the network, so that the first request doesn't pay for it."""
        leaf = torch.zeros(1, requires_grad=True)
        # A gradient from a gradient makes torch import sympy: 0.4 s in which nothing else runs.
        torch.autograd.grad(leaf * 1, leaf, torch.ones(1))
        clip = torch.zeros(1, *self.classifier.card.input.shape)
        few = clip[:, :, : self.classifier.fewest_frames]
        _ = self.classifier.attention_bytes
        for number, device in enumerate(self.engine.devices):
            # Now, since nothing else may use a GPU while a search is recorded on it.
            _ = self._copies[number].temporal_stride
            device.runner.prepare(few[0])
            device.calibrate(*(partial(self._classify, each, number) for each in (clip, few)))

    def submit(
        self, request: Request, number: str | None = None, *listeners: Callable[[], None]
    ) -> RequestState:
        """Accept a request; its state gets the reply when it is ready, or, of a job, at once.

        Args:
            request: a clip and its options, or one about another request, as `{"cancel": number}`.
            number: the request's id; made up unless given.
            listeners: called, from any thread, whenever there is something to send.
        """
        state = RequestState(number or uuid.uuid4().hex, self._notify, *listeners)
        state.inference = request.inference
        try:
            self._begin(request, state)
        except Overloaded as error:
            state.finish(self._failed(state, error))
        except VideoVisualError as error:
            self._finish(state, self._failed(state, error))
        except Exception:
            self._finish(state, self._bug(state))
        return state

    def _begin(self, request: Request, state: RequestState) -> None:
        """Have a request served, or answer it at once.

        Raises:
            VideoVisualError: it is refused.
        """
        request = opened(request)
        state.inference = request.inference
        parsed = parse(request)
        if parsed.about is not None:
            state.finish(self._about(*parsed.about))
            return
        state.explains = parsed.explain
        plan, cost = self._plan(parsed)
        state.configure(plan.options, plan.methods)
        model, jobs = self.classifier.card.name, self._jobs if plan.options.job else None
        served, key = state, None
        if jobs is not None:
            key = request_key(request.headers, model, parsed)
            if (reply := jobs.again(key)) is not None:
                state.finish(reply)
                return
            # A job doesn't call its client back, who may be gone.
            served = RequestState(state.number, self._notify)
            served.explains = parsed.explain
            served.configure(plan.options, plan.methods)
        place = self._admission.enter(parsed.size, cost.held, explains=parsed.explain, model=model)
        with self._changed:
            self._states[served.number] = served
        if jobs is not None:
            job = Job(served, model, partial(self._admission.ahead, place), key)
            state.finish(jobs.accept(job))
        self._requests.submit(self._serve, parsed, plan, served, place)

    def refuse(self, error: VideoVisualError, number: str) -> RequestState:
        """A request that is answered with an error at once."""
        state = RequestState(number, self._notify)
        self._finish(state, self._failed(state, error))
        return state

    def cancel(self, number: str) -> bool:
        """Cancel a request; whether there was one of that id.

        A search with `partial=true` then answers with its best map so far.
        """
        with self._changed:
            state = self._states.get(number)
        if state is not None:
            state.stop()
        return state is not None

    def wait(self, seconds: float, changes: int | None = None) -> int:
        """Return when any request has something to send, or after `seconds`.

        Args:
            seconds: how long at most.
            changes: what the last call returned; returns at once if something changed since.
        """
        with self._changed:
            before = self._changes if changes is None else changes
            self._changed.wait_for(lambda: self._changes != before, seconds)
            return self._changes

    @property
    def changes(self) -> int:
        """How often there was something to send."""
        return self._changes

    def measure(self) -> None:
        """Set the metrics that say how full the service is."""
        model = self.classifier.card.name
        kept = self._jobs.kept_bytes(model) if self._jobs else 0
        self.telemetry.level(self._admission.counts(model), kept, self.engine.devices)

    def close(self) -> None:
        """Cancel all requests and end all threads."""
        with self._changed:
            states = list(self._states.values())
        for state in states:
            state.cancel()
        self.engine.close()
        self._requests.shutdown(wait=True, cancel_futures=True)

    def _about(self, wanted: str, number: str) -> Reply:
        """The reply to a request about another one.

        Raises:
            UnknownJob, JobDropped, JobNotDone: see `Jobs`.
        """
        if wanted == "cancel":
            return Reply(200, JSON, json.dumps({"cancelled": self.cancel(number)}).encode())
        jobs = self._jobs or Jobs(self.settings)
        return jobs.state(number) if wanted == "job_state" else jobs.result(number)

    def _notify(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()
        self._admission.wake()

    def _plan(self, parsed: ParsedRequest) -> tuple[Plan, Cost]:
        """What a request asks for, and what it costs.

        Raises:
            InvalidParameter, UnknownMethod, UnknownOutput, InvalidTarget: it can't be had.
            TooLarge: it takes too many passes, or its maps make no answer that may be sent.
        """
        try:
            options, parameters = split_options(parsed.options)
            plan = Plan.of(self.classifier, options, parameters, explain=parsed.explain)
        except RecursionError:
            raise InvalidParameter("Options are plain values, or lists of such.") from None
        if options.job:
            if self._jobs is None:
                raise InvalidParameter(
                    "job=true is for a server, which keeps the answer. Leave it out here.",
                    parameter="job",
                )
            self._jobs.check(options)
        check_passes(plan, self.settings.max_passes)
        # A GPU's passes are bounded by its own memory.
        batch = self.engine.batch if self.classifier.device.type == "cpu" else 1
        cost = Cost.of(plan, batch)
        if parsed.inference is None:
            check_reply_size(cost.reply, self._max_reply_bytes(options))
        else:
            parsed.inference.check(plan, self._max_reply_bytes(options))
        return plan, cost

    def _max_reply_bytes(self, options: Options) -> int:
        most, kept = self.settings.max_reply_bytes, self.settings.job_bytes - OWN_BYTES
        return min(most, kept) if options.job else most

    def _serve(self, parsed: ParsedRequest, plan: Plan, state: RequestState, place: Place) -> None:
        try:
            reply = self._answer(parsed, plan, state, place)
        except Cancelled as error:
            reply = self._failed(state, state.why or error)
        except VideoVisualError as error:
            reply = self._failed(state, error)
        except Exception:
            reply = self._bug(state)
        self._admission.leave(place)
        with self._changed:
            self._states.pop(state.number, None)
        self._finish(state, reply)
        if self._jobs is not None and state.is_job:
            self._jobs.end(state.number)

    def _bug(self, state: RequestState) -> Reply:
        """The reply where the server fails: it must cost one request, never the worker."""
        error = VideoVisualError("The server failed on this request; see its log.")
        return self._failed(state, error)

    def _failed(self, state: RequestState, error: VideoVisualError) -> Reply:
        if isinstance(error, Overloaded):
            self.telemetry.refused(state, error)
        if error.status == VideoVisualError.status:
            self.telemetry.fault(state)
        return v2.error_of(error) if state.inference else error_reply(error)

    def _finish(self, state: RequestState, reply: Reply) -> None:
        self.telemetry.answered(state, reply)
        state.finish(reply)

    def _answer(
        self, parsed: ParsedRequest, plan: Plan, state: RequestState, place: Place
    ) -> Reply:
        request, options = parsed.decoded(), plan.options
        if options.stream:
            state.start_stream(self._admission.ahead(place))
        self._admission.wait(place, lambda: state.cancelled, state.deadline)
        executor = EngineExecutor(
            self.engine,
            self._copies,
            state,
            options.priority,
            self._admission.decoders,
            partial(self._admission.hold, place),
        )

        def open_clip() -> Source:
            source = request.open(self.settings.limits, as_shown=plan.options.as_shown)
            source.before_frame = state.check
            return source

        result = run_plan(plan, open_clip, executor)
        if self._signing_key is not None and options.output is Output.JSON and result.saliencies:
            result = replace(result, answer=self._signed(result, self._signing_key))
        if request.inference is not None:
            reply = request.inference.reply(self.classifier.card, result)
        else:
            body = self._body(result, options.output, state, executor, request.verb)
            reply = Reply(200, options.output.content_type, body)
        check_reply_size(len(reply.body), self._max_reply_bytes(options))
        return reply

    def _classify(self, clip: torch.Tensor, device: int) -> torch.Tensor:
        return self.engine.submit(classification(clip), device=device, classification=True).result()

    def _signed(self, result: Result, key: evidence.SigningKey) -> Answer:
        """The answer with what its evidence record states, signed."""
        assert result.prepared is not None
        assert result.prepared.frames is not None
        digest = evidence.frames_sha256(result.prepared.frames)
        sealed = evidence.seal(result.answer, digest, key)
        return result.answer.model_copy(update={"evidence": sealed})

    def _body(
        self,
        result: Result,
        output: Output,
        state: RequestState,
        executor: EngineExecutor,
        verb: v1.Verb | None,
    ) -> bytes:
        answer = result.answer
        if output is Output.JSON:
            return v1.envelope(answer, verb) if verb else answer.model_dump_json().encode()
        if output is Output.NPZ:
            return to_npz(answer)
        prepared = result.prepared
        assert prepared is not None
        assert prepared.frames is not None
        with executor.decoding():
            panels = [
                replace(panel, film=replace(panel.shown, before_shot=state.check))
                for panel in render.panels(
                    answer, result.saliencies, prepared.frames, prepared.source
                )
            ]
            return render.draw(output.value, answer, panels)
