"""The methods of every client, blocking or awaited."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Literal, TypeVar, overload

from videovisual.protocol import Answer
from videovisual_client.errors import InvalidParameter
from videovisual_client.events import Partial, Progress
from videovisual_client.job import AsyncJob
from videovisual_client.many import CONCURRENCY
from videovisual_client.request import ClipRequest, Methods, Target, one_or_several, targets
from videovisual_client.result import Classification, Explained
from videovisual_client.upload import ClipLike, repeatable

OnProgress = Callable[[Progress], None]
OnPartial = Callable[[Partial], None]

ClassificationT = TypeVar("ClassificationT")
ExplainedT = TypeVar("ExplainedT")
JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT", bound=Classification)
ManyT = TypeVar("ManyT")
ManyOrErrorsT = TypeVar("ManyOrErrorsT")


class Interface(ABC, Generic[ClassificationT, ExplainedT, JobT, ManyT, ManyOrErrorsT]):
    """Builds the requests, which a subclass sends.

    The type parameters are what `classify`, `explain`, `submit` and `explain_many` (with and
    without `return_errors`) return: results in a blocking client, coroutines in an awaited one.
    """

    def classify(
        self,
        clip: ClipLike,
        *,
        model: str,
        top_k: int = 5,
        views: int | None = None,
        timeline: bool | None = None,
        on_progress: OnProgress | None = None,
        **options: Any,
    ) -> ClassificationT:
        """Classify a clip.

        Args:
            clip: path of a video, of a folder of frames or of a pipe, or `-` for standard input; a
                video's bytes or opened file; or uint8 [T, H, W, 3] frames.
            model: a served model's name.
            top_k: how many classes to return.
            views: number of windows, 1 to 30, spread evenly over the clip; their scores are
                averaged.
            timeline: also classify each second of the clip, at most 600.
            on_progress: called with the progress of each window.
            options: `frames`, `start_s`, `end_s`, `as_shown` (false for the stored pixels of a
                file), `timeout_s`.

        Raises:
            VideoVisualError: any of `videovisual_client.errors`.
        """
        fields = {"top_k": top_k, "views": views, "timeline": timeline, **options}
        request = ClipRequest("predictions", model, repeatable(clip), fields)
        result: ClassificationT = self._run(self._result(Classification, request, on_progress))
        return result

    def explain(
        self,
        clip: ClipLike,
        *,
        model: str,
        method: Methods | None = None,
        target: Target = "top1",
        on_progress: OnProgress | None = None,
        on_partial: OnPartial | None = None,
        **options: Any,
    ) -> ExplainedT:
        """Classify a clip, and explain the scores.

        Args:
            clip: path of a video, of a folder of frames or of a pipe, or `-` for standard input; a
                video's bytes or opened file; or uint8 [T, H, W, 3] frames.
            model: a served model's name.
            method: an attribution method, or several; the server's default if None.
            target: a class name (str), an index (int), `top1`, or several of them.
            on_progress: called with the progress of each step.
            on_partial: called with the best map so far, every `partial_every_s` seconds (2), by
                methods that can be stopped at any time.
            options: `top_k`, `seed`, `evaluate`, `stability`, `priority`, `timeout_s`, `partial`
                (return the best map so far of a search that exceeds `timeout_s`), `frames`,
                `start_s`, `end_s`, `as_shown`, `window`, and the methods' own parameters.

        Raises:
            VideoVisualError: any of `videovisual_client.errors`.
        """
        request = _explanation(clip, model, method, target, options)
        result: ExplainedT = self._run(self._result(Explained, request, on_progress, on_partial))
        return result

    def submit(
        self,
        clip: ClipLike,
        *,
        model: str,
        method: Methods | None = None,
        target: Target = "top1",
        partial_every_s: float | None = None,
        **options: Any,
    ) -> JobT:
        """Start an explanation, to follow it, cancel it or wait for it later.

        Args:
            clip, model, method, target, options: as in `explain`.
            partial_every_s: seconds between two partial maps; none are sent if None.

        Returns:
            The job, once the server has accepted it.

        Raises:
            VideoVisualError: the server refused it.
        """
        if partial_every_s:
            options["partial_every_s"] = partial_every_s
        request = _explanation(clip, model, method, target, options)
        return self._submit(request.streamed(partial=partial_every_s is not None))

    @overload
    def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: Literal[False] = False,
        **options: Any,
    ) -> ManyT: ...

    @overload
    def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: Literal[True],
        **options: Any,
    ) -> ManyOrErrorsT: ...

    def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: bool = False,
        **options: Any,
    ) -> ManyT | ManyOrErrorsT:
        """Explain clips concurrently; the results come in the order of the clips.

        The client stays at most a few clips ahead of the results that are taken, so memory holds
        neither all clips nor all maps. Leaving the loop cancels the running jobs.

        Args:
            clips: as in `explain`; any iterable, read as needed.
            model: a served model's name.
            concurrency: how many requests run at once.
            return_errors: yield an exception as the result of its clip instead of raising it.
            options: as in `explain`.

        Raises:
            InvalidParameter: `concurrency` is below 1.
            VideoVisualError: the first failure, unless `return_errors`.
        """
        if not isinstance(concurrency, int) or concurrency < 1:
            raise InvalidParameter(
                f"concurrency={str(concurrency)[:40]!r} is not a number of requests, 1 or more.",
                parameter="concurrency",
            )
        return self._explain_many(clips, concurrency, return_errors, {"model": model, **options})

    @abstractmethod
    async def _answer(self, request: ClipRequest) -> Answer:
        """Send a request, and wait for the whole answer."""

    @abstractmethod
    async def _open(self, request: ClipRequest) -> AsyncJob:
        """Send a request whose answer comes as events."""

    @abstractmethod
    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine, or the coroutine itself in an awaited client."""

    @abstractmethod
    def _submit(self, request: ClipRequest) -> JobT: ...

    @abstractmethod
    def _explain_many(
        self, clips: Iterable[ClipLike], concurrency: int, errors: bool, options: dict[str, Any]
    ) -> ManyT | ManyOrErrorsT: ...

    async def _result(
        self,
        kind: type[ResultT],
        request: ClipRequest,
        on_progress: OnProgress | None,
        on_partial: OnPartial | None = None,
    ) -> ResultT:
        if on_progress is None and on_partial is None:
            return kind(await self._answer(request), request.clip)
        async with await self._open(request.streamed(partial=on_partial is not None)) as job:
            async for event in job:
                if on_progress is not None and isinstance(event, Progress):
                    on_progress(event)
                elif on_partial is not None and isinstance(event, Partial):
                    on_partial(event)
            return kind(await job.answer(), request.clip)


def _explanation(
    clip: ClipLike, model: str, method: Methods | None, target: Target, options: dict[str, Any]
) -> ClipRequest:
    fields = {"target": targets(target), **options}
    if method is not None:
        fields["method"] = one_or_several(method)
    return ClipRequest("explanations", model, repeatable(clip), fields)
