"""The blocking clients' base: a server answers (`Client`), or this process (`Local`)."""

from abc import abstractmethod
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import closing
from typing import Any, TypeVar

from videovisual_client.errors import VideoVisualError, one_item
from videovisual_client.interface import Interface
from videovisual_client.job import Job
from videovisual_client.many import Jobs, concurrently
from videovisual_client.request import ClipRequest
from videovisual_client.result import Classification, Explained
from videovisual_client.transport import run
from videovisual_client.upload import ClipLike

Self = TypeVar("Self", bound="BaseClient")


class BaseClient(
    Interface[
        Classification, Explained, Job, Iterator[Explained], Iterator[Explained | VideoVisualError]
    ]
):
    """Runs the shared coroutines, which block instead of suspending."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Release connections or models."""

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return run(coroutine)

    def _submit(self, request: ClipRequest) -> Job:
        return Job(run(self._open(request)))

    def _explain_many(
        self, clips: Iterable[ClipLike], concurrency: int, errors: bool, options: dict[str, Any]
    ) -> Iterator[Any]:
        jobs = Jobs()

        def explain(clip: ClipLike) -> Explained:
            with one_item():
                return jobs.run(self.submit(clip, **options))

        results = concurrently(explain, clips, concurrency=concurrency, stop=jobs.cancel)
        with closing(results):
            for result in results:
                if isinstance(result, VideoVisualError) and not errors:
                    raise result
                yield result
