"""The client: one method a thing that can be asked."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import requests

from videovisual import clips
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidRequest, UnknownModel, VideoVisualError
from videovisual.names import MODELS
from videovisual.protocol import Answer
from videovisual.suggest import nearest
from videovisual_client.errors import ConnectionFailed, from_json, from_torchserve
from videovisual_client.result import Classification, ClipLike, Explained
from videovisual_client.token import find_token

DEFAULT_URL = "http://127.0.0.1:8080"
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 900.0

Target = str | int | Sequence[str | int]
OnProgress = Callable[[Progress], None]


class Client:
    """Talks to one VideoVisual server.

    Args:
        url: the inference address.
        token: the inference key; see `find_token` for where it is looked for otherwise.
        key_file: TorchServe's key file.
        timeout_s: how long the server may stay silent within one answer.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = (CONNECT_TIMEOUT_S, timeout_s)
        self._session = requests.Session()
        found = find_token(token, key_file)
        if found:
            self._session.headers["Authorization"] = f"Bearer {found}"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

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
            VideoVisualError: the server's own error, `ConnectionFailed`, `AuthenticationFailed`.
        """
        fields = {"top_k": top_k, "views": views, "timeline": timeline, **options}
        return Classification(self._ask("predictions", model, clip, fields, on_progress), clip)

    def explain(
        self,
        clip: ClipLike,
        *,
        model: str,
        method: str | Sequence[str] | None = None,
        target: Target = "top1",
        on_progress: OnProgress | None = None,
        **options: Any,
    ) -> Explained:
        """The best classes of a clip, and why.

        Args:
            clip: path of a video or of a folder of frames, or uint8 [T, H, W, 3] frames.
            model: a served model's name.
            method: an attribution method or several; the server's default where none is named.
            target: a class name, an index, `top1`, or several of them.
            on_progress: called with the progress of each step.
            options: `top_k`, `seed`, `evaluate`, `priority`, `timeout_s`, `frames`, `start_s`,
                `end_s`, and the methods' own parameters.

        Raises:
            VideoVisualError: the server's own error, `ConnectionFailed`, `AuthenticationFailed`.
        """
        fields = {"target": _one_or_several(target), **options}
        if method is not None:
            fields["method"] = _one_or_several(method)
        return Explained(self._ask("explanations", model, clip, fields, on_progress), clip)

    def _ask(
        self,
        route: str,
        model: str,
        clip: ClipLike,
        options: Mapping[str, Any],
        on_progress: OnProgress | None,
    ) -> Answer:
        fields = {name: _text(value) for name, value in options.items() if value is not None}
        if on_progress is not None:
            fields["stream"] = "true"
        try:
            with self._session.post(
                f"{self.url}/{route}/{quote(model, safe='')}",
                data=fields,
                files=_parts(clip),
                timeout=self._timeout,
                stream=on_progress is not None,
            ) as response:
                if on_progress is not None and response.ok:
                    return _follow(response, on_progress)
                return _answer(response)
        except UnknownModel:
            raise self._unknown(model) from None
        except requests.RequestException as error:
            raise ConnectionFailed(
                f"{self.url} did not answer: {error}. Is the server running, and is this its "
                "inference address?",
                url=self.url,
            ) from error

    def _unknown(self, model: str) -> UnknownModel:
        near = nearest(model, MODELS)
        return UnknownModel(
            f"{self.url} serves no model {model!r}. Nearest known: {', '.join(near) or 'none'}. "
            "`videovisual models` lists all, `videovisual serve NAME` serves one.",
            model=model,
            nearest=near,
        )


def _one_or_several(names: Target) -> str:
    """A form field holds one name, or a JSON list of several."""
    if isinstance(names, str | int):
        return str(names)
    return json.dumps([str(name) for name in names])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parts(clip: ClipLike) -> dict[str, tuple[str, bytes]]:
    if isinstance(clip, np.ndarray):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, frames=clip)
        return {"video": ("clip.npz", buffer.getvalue())}
    path = Path(clip)
    if path.is_dir():
        files = clips.frame_files(path)
        if not files:
            raise InvalidRequest(f"The folder {path} is empty. It should hold PNG or JPEG frames.")
        return {
            f"frame_{index:05d}": (file.name, file.read_bytes()) for index, file in enumerate(files)
        }
    try:
        return {"video": (path.name, path.read_bytes())}
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read: {error.strerror}. Give a video file or a folder of frames."
        ) from None


def _answer(response: requests.Response) -> Answer:
    try:
        data = response.json()
    except ValueError:
        raise _unreadable(response) from None
    # A failure that came after the answer had begun still has status 200.
    if isinstance(data, dict) and "error" in data:
        raise from_json(data, response.status_code)
    if not response.ok:
        raise from_torchserve(data, response.status_code)
    return Answer.model_validate(data)


def _unreadable(response: requests.Response) -> VideoVisualError:
    if response.status_code == 413:
        return from_json(
            {"error": {"code": "too_large", "message": "The server takes no request so large."}},
            413,
        )
    return ConnectionFailed(
        f"HTTP {response.status_code} with a body that is no JSON ({len(response.content)} bytes): "
        "the server or something before it broke off."
    )


def _follow(response: requests.Response, on_progress: OnProgress) -> Answer:
    answer: Answer | None = None
    for line in _lines(response):
        event = json.loads(line)
        if event["event"] == "progress":
            on_progress(
                Progress(event["step"], event["of"], event["objective"], event["probability"])
            )
        elif event["event"] == "error":
            raise from_json(event, event["status"])
        elif event["event"] == "result":
            answer = Answer.model_validate(event["answer"])
    if answer is None:
        raise ConnectionFailed("The server broke off before the result came.")
    return answer


def _lines(response: requests.Response) -> Iterator[bytes]:
    # `Response.iter_lines` joins anew at every chunk: a line of 8 MB takes it most of a minute.
    pieces: list[bytes] = []
    for chunk in response.iter_content(chunk_size=None):
        head, *rest = chunk.split(b"\n")
        pieces.append(head)
        for piece in rest:
            yield b"".join(pieces)
            pieces = [piece]
