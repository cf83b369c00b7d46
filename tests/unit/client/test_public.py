"""The public names of the client."""

from __future__ import annotations

from pathlib import Path

import videovisual_client
from videovisual import errors as server_errors
from videovisual_client import errors

NAMES = """
    Accepted AsyncClient AsyncJob AuthenticationFailed Cancelled Classification Client
    ClientClosed ClipTooShort ConnectionFailed DeadlineExceeded Explained InvalidEvidence
    InvalidParameter InvalidRequest InvalidTarget Job JobDropped JobNotDone MalformedClip
    MissingExtra NetworkSettingsError NotFinite Overloaded Partial PredictorError PredictorTimeout
    PredictorUnreachable Progress ScoresError ServerFailed TimedOut Timeouts TooLarge UnknownJob
    UnknownMethod UnknownModel UnknownOutput UnsuitableMethod UnsupportedMedia UploadStalled
    VideoVisualError WriteError
"""


def test_the_exported_names() -> None:
    assert sorted(videovisual_client.__all__) == sorted(NAMES.split())
    for name in videovisual_client.__all__:
        assert hasattr(videovisual_client, name)


def test_both_clients_have_the_same_methods() -> None:
    import inspect

    for name in ("__init__", "classify", "explain", "submit", "explain_many"):
        blocking = inspect.signature(getattr(videovisual_client.Client, name)).parameters
        awaited = inspect.signature(getattr(videovisual_client.AsyncClient, name)).parameters
        assert list(blocking) == list(awaited)
        assert [p.default for p in blocking.values()] == [p.default for p in awaited.values()]


LOCAL = {"WeightsError", "DownloadError", "MissingFile"}
"""Raised while weights are fetched or loaded, never by a server's answer."""


def test_every_error_of_a_server_is_also_the_clients() -> None:
    for name, kind in vars(server_errors).items():
        if isinstance(kind, type) and issubclass(kind, Exception) and name not in LOCAL:
            assert getattr(errors, name) is kind


def test_the_clients_own_errors_are_in_the_same_tree() -> None:
    assert issubclass(errors.TimedOut, errors.ConnectionFailed)
    own = (errors.ClientClosed, errors.ConnectionFailed)
    for kind in (*own, errors.ServerFailed):
        assert kind.__bases__ == (server_errors.VideoVisualError,)


def test_the_packages_are_typed() -> None:
    folder = Path(videovisual_client.__file__).parent
    assert (folder / "py.typed").is_file()
