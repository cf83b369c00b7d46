"""A model that is served elsewhere, as a function of clips."""

import asyncio
import re
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from videovisual.errors import InvalidParameter, PredictorError, WeightsError
from videovisual.utils.text import shown
from videovisual.zoo.own_card import described
from videovisual.zoo.predictor.exchange import Exchange, Reply
from videovisual.zoo.predictor.tensors import Outputs
from videovisual.zoo.predictor.v1 import V1
from videovisual.zoo.predictor.v2 import V2

PATH = re.compile(r"(?P<server>.*/(?P<protocol>v1|v2))/models/(?P<model>[^/:]+)(/versions/[^/:]+)?")
TOO_LARGE = 413

MAX_REQUEST_BYTES = 64 * 2**20
"""Requests of several clips are not larger."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Connection:
    """How a predictor is asked.

    Attributes:
        batch: the most clips of one request; of a model whose metadata fix the number, that number.
        concurrency: the most requests at once.
        timeout_s: how long one request may take, in seconds.
        retries: how often a request is sent again where the connection fails or the predictor is
            busy.
        headers: of every request.
        binary: whether tensors of v2 are sent as bytes; None if the server says that it takes them.

    Raises:
        InvalidParameter: a number is out of its range.
    """

    batch: int = 8
    concurrency: int = 4
    timeout_s: float = 60.0
    retries: int = 3
    headers: Mapping[str, str] | None = None
    binary: bool | None = None

    def __post_init__(self) -> None:
        for header, text in (self.headers or {}).items():
            if not all(isinstance(each, str) and each.isascii() for each in (header, text)) or (
                not (header + text).isprintable()
            ):
                # The value may be a key.
                raise InvalidParameter(
                    f"The header {shown(header)!r} can't be sent. Give a name and a text of "
                    "printable ASCII.",
                    parameter="headers",
                )
        ranges = {"batch": (1, 4096), "concurrency": (1, 64), "retries": (0, 100)}
        for name, (least, most) in {**ranges, "timeout_s": (0.001, 3600)}.items():
            value = getattr(self, name)
            number = int if name in ranges else (int, float)
            if (
                isinstance(value, bool)
                or not isinstance(value, number)
                or not least <= value <= most
            ):
                raise InvalidParameter(
                    f"{name} = {shown(value)} is not allowed. Give a number from {least} to "
                    f"{most}.",
                    parameter=name,
                )


class Predictor:
    """Asks for the scores of clips; may be called from any thread.

    Args:
        url: `http://HOST/v1/models/MODEL` or `…/v2/models/MODEL`.
        values: how many numbers a clip has.
        connection: how it is asked.

    Attributes:
        url: without credentials.
        model: its name.
        protocol: how clips are sent, and scores read.

    Raises:
        InvalidParameter: this is no such address, or the model takes other inputs than clips.
        PredictorError: the metadata of v2 can't be had; see `Classifier.from_url`.
        NetworkSettingsError: a variable about proxies or certificates can't be used.
    """

    def __init__(self, url: str, values: int, connection: Connection) -> None:
        address, path = _parsed(url)
        self._address = address.copy_with(userinfo=b"")
        self.url, self.model = str(self._address), path["model"]
        self._connection = connection
        self._exchange = Exchange(
            address, connection.timeout_s, connection.retries, connection.headers or {}
        )
        weakref.finalize(self, self._exchange.close)
        self._slots = asyncio.Semaphore(connection.concurrency)
        self._forms: dict[str, tuple[int, int]] = {}
        self.protocol: V1 | V2 = V1()
        if path["protocol"] == "v2":
            self.protocol = self._exchange.run(self._described(path["server"]))
        self._fixed = self.protocol.batch
        room = MAX_REQUEST_BYTES // (values * self.protocol.value_bytes)
        self._most = self._fixed or max(1, min(connection.batch, room))

    @property
    def batch(self) -> int:
        """How many clips are worth asking for at once."""
        return self._most * self._connection.concurrency

    @property
    def runtime(self) -> Mapping[str, str]:
        """Where the scores come from, for the provenance."""
        return {"predictor": self.url}

    def forward(self, body: bytes, content_type: str) -> Reply:
        """The reply to a request of someone else's, which is sent as it is.

        Raises:
            PredictorError: there is none; see `Classifier.from_url`.
        """
        return self._exchange.run(self._post(body, {"Content-Type": content_type}))

    def close(self) -> None:
        """End the requests that run."""
        self._exchange.close()

    def __call__(self, clips: Array) -> Any:
        """The scores for clips [N, …], or the outputs by name where they have names.

        Raises:
            PredictorError: of any kind; see `Classifier.from_url`.
        """
        outputs = self._exchange.run(self._all(clips))
        return outputs.get("", outputs)

    async def _described(self, server: str) -> V2:
        replies = await asyncio.gather(
            self._exchange.ask("GET", self._address),
            self._exchange.ask("GET", self._address.copy_with(path=server)),
        )
        metadata, about = replies
        _check(metadata, "its metadata")
        return V2.of(
            metadata.body,
            about.body if about.status == 200 else b"",
            binary=self._connection.binary,
        )

    async def _all(self, clips: Array) -> Outputs:
        pieces = [clips[at : at + self._most] for at in range(0, len(clips), self._most)]
        tasks = [asyncio.ensure_future(self._piece(piece)) for piece in pieces]
        try:
            return _joined(await asyncio.gather(*tasks))
        finally:
            # One that failed has ended the others' use.
            for task in tasks:
                task.cancel()

    async def _piece(self, clips: Array) -> Outputs:
        count = len(clips)
        if count > self._most:
            # Another piece has found that so many are too many.
            return await self._halves(clips)
        if self._fixed is not None:
            clips = np.concatenate([clips, np.repeat(clips[-1:], self._fixed - count, axis=0)])
        async with self._slots:
            request = await asyncio.to_thread(self.protocol.request, clips)
            reply = await self._sent(*request)
        if reply.status == TOO_LARGE and count > 1 and self._fixed is None:
            self._most = min(self._most, max(1, count // 2))
            return await self._halves(clips)
        _check(reply, f"{len(clips)} clips of {list(clips.shape[1:])}")
        outputs = await asyncio.to_thread(
            self.protocol.outputs, reply.body, reply.headers, len(clips)
        )
        self._check_forms(outputs)
        return {name: values[:count] for name, values in outputs.items()}

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        async with self._slots:
            return await self._sent(body, headers)

    async def _sent(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        target = self._address.copy_with(path=self._address.path + self.protocol.path)
        return await self._exchange.ask("POST", target, body, headers)

    async def _halves(self, clips: Array) -> Outputs:
        half = len(clips) // 2
        return _joined([await self._piece(clips[:half]), await self._piece(clips[half:])])

    def _check_forms(self, outputs: Outputs) -> None:
        """Raises PredictorError where outputs are others than those of the first answer."""
        # The axis of frames may have another size.
        found = {name: (values.ndim, values.shape[-1]) for name, values in outputs.items()}
        self._forms = self._forms or found
        if found != self._forms:
            shapes = {name or "predictions": values.shape for name, values in outputs.items()}
            raise PredictorError(
                f"The predictor now gives {shown(shapes)}, and gave other outputs before. Has "
                "another model taken its place? Start again with its labels.",
                url=self.url,
            )


def card_of(url: str, made_by: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of `made_by` in the metadata of a model, as its `parameters`.

    Raises:
        WeightsError: there are none.
        PredictorError, InvalidParameter, NetworkSettingsError: as `Predictor`.
    """
    predictor = Predictor(url, 1, Connection())
    predictor.close()
    if not predictor.protocol.facts:
        raise WeightsError(
            f"The metadata of {predictor.url} have no card. Give one: a file of JSON with `labels` "
            "and `input`, as `--card`."
        )
    return described(predictor.protocol.facts, f"The metadata of {predictor.url}", made_by)


def _joined(parts: list[Outputs]) -> Outputs:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _check(reply: Reply, given: str) -> None:
    if reply.status != 200:
        text = reply.body[:300].decode("utf-8", "replace")
        raise PredictorError(
            f"The predictor was asked for {given}, and answered {reply.status}: "
            f"{shown(text, 200)}.",
            http_status=reply.status,
        )


def _parsed(url: str) -> tuple[httpx.URL, re.Match[str]]:
    """The address of a model, and the parts of its path."""
    try:
        address = httpx.URL(url)
        path = PATH.fullmatch(address.path.rstrip("/"))
    except (httpx.InvalidURL, TypeError):
        path = None
    if path is None or address.scheme not in ("http", "https") or not address.host:
        raise InvalidParameter(
            f"{shown(url)} is no address of a predictor. Give http://HOST/v2/models/MODEL, or "
            "http://HOST/v1/models/MODEL.",
            parameter="url",
        )
    return address.copy_with(path=path[0], query=None, fragment=None), path
