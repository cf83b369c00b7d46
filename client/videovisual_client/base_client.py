"""What can be asked, whoever answers: a server (`Client`) or this process (`Local`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Literal, TypeVar, overload

from videovisual.protocol import Answer
from videovisual_client import request
from videovisual_client.errors import VideoVisualError
from videovisual_client.job import Job, OnPartial, OnProgress, tell
from videovisual_client.many import CONCURRENCY, Jobs, side_by_side
from videovisual_client.request import ClipRequest, Methods, Target
from videovisual_client.result import Classification, Explained
from videovisual_client.upload import ClipLike

Self = TypeVar("Self", bound="BaseClient")


class BaseClient(ABC):
    """The questions; a subclass sends them."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of connections or networks."""

    @abstractmethod
    def _ask(self, call: ClipRequest) -> Answer:
        """Ask, and wait for the whole answer."""

    @abstractmethod
    def _open(self, call: ClipRequest) -> Job:
        """Ask for an answer that comes as events."""

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
    ) -> Classification:
        """The best classes of a clip.

        Args:
            clip: path of a video or of a folder of frames, or uint8 [T, H, W, 3] frames.
            model: a served model's name.
            top_k: how many classes.
            views: so many windows of the clip, 1 to 30, evenly spread, whose scores are averaged.
            timeline: classify every second of the clip by itself too, at most 600.
            on_progress: called with the progress of each window.
            options: `frames`, `start_s`, `end_s`, `timeout_s`.

        Raises:
            VideoVisualError: any of `videovisual_client.errors`.
        """
        fields = {"top_k": top_k, "views": views, "timeline": timeline, **options}
        question = request.classification(model, clip, fields)
        return Classification(self._answer(question, on_progress, None), clip)

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
    ) -> Explained:
        """The best classes of a clip, and why.

        Args:
            clip: path of a video or of a folder of frames, or uint8 [T, H, W, 3] frames.
            model: a served model's name.
            method: an attribution method or several; the server's default where none is named.
            target: a class name, an index, `top1`, or several of them.
            on_progress: called with the progress of each step.
            on_partial: called with the best map so far, every `partial_every_s` seconds (2), by
                methods that can be stopped at any time.
            options: `top_k`, `seed`, `evaluate`, `priority`, `timeout_s`, `partial` (of a search
                that is late, the best so far), `frames`, `start_s`, `end_s`, and the methods' own
                parameters.

        Raises:
            VideoVisualError: any of `videovisual_client.errors`.
        """
        question = request.explanation(model, clip, method, target, options)
        return Explained(self._answer(question, on_progress, on_partial), clip)

    def submit(
        self,
        clip: ClipLike,
        *,
        model: str,
        method: Methods | None = None,
        target: Target = "top1",
        partial_every_s: float | None = None,
        **options: Any,
    ) -> Job:
        """Begin an explanation, to follow it, cancel it or wait for it later.

        Args:
            clip, model, method, target, options: as in `explain`.
            partial_every_s: how often to tell the best map so far; never by default.

        Returns:
            The job, once it has been taken in.

        Raises:
            VideoVisualError: it was refused.
        """
        given = options | ({"partial_every_s": partial_every_s} if partial_every_s else {})
        question = request.explanation(model, clip, method, target, given)
        return self._open(question.streamed(partial=partial_every_s is not None))

    @overload
    def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: Literal[False] = False,
        **options: Any,
    ) -> Iterator[Explained]: ...

    @overload
    def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: Literal[True],
        **options: Any,
    ) -> Iterator[Explained | VideoVisualError]: ...

    def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: bool = False,
        **options: Any,
    ) -> Iterator[Explained | VideoVisualError]:
        """Explain clips side by side; the results come in the clips' order.

        The work goes on while the results are taken, a few clips ahead at most, so that neither
        many clips nor many maps are held at once. Leaving the loop cancels what is under way.

        Args:
            clips: as in `explain`; any iterable, taken as it is needed.
            model: a served model's name.
            concurrency: how many requests at once.
            return_errors: give an exception as that clip's result instead of raising it.
            options: as in `explain`.

        Raises:
            VideoVisualError: the first failure, unless `return_errors`.
        """
        jobs = Jobs()

        def work(clip: ClipLike) -> Explained:
            return jobs.run(self.submit(clip, model=model, **options))

        results = side_by_side(work, clips, concurrency=concurrency, stop=jobs.cancel)
        with closing(results):
            for result in results:
                if isinstance(result, VideoVisualError) and not return_errors:
                    raise result
                yield result

    def _answer(
        self, question: ClipRequest, on_progress: OnProgress | None, on_partial: OnPartial | None
    ) -> Answer:
        if on_progress is None and on_partial is None:
            return self._ask(question)
        with self._open(question.streamed(partial=on_partial is not None)) as job:
            for event in job:
                tell(event, on_progress, on_partial)
            return job.answer()
