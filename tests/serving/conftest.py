"""One real server of each kind for all serving tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.load.uvicorn import Uvicorn
from tests.serving.api import AnyServer, Api
from tests.serving.clips import bikes_like_mp4

from videovisual_archive import archive
from videovisual_client import Client
from videovisual_client.torchserve import Server

MODEL = "i3d-kinetics400"
QUICK = "i3d-motion"
"""A small one of our own, for tests that are not about the network."""
ANOTHER = "tsm-motion"
STORE = Path(__file__).parents[2] / "model_store"

BOTH = pytest.mark.parametrize("server", ["torchserve", "uvicorn"], indirect=True, scope="session")
"""For a test that runs against each server."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.serving)


@pytest.fixture(scope="session")
def store() -> Path:
    """A model store with the real I3D, and the small one."""
    archive(QUICK, store=STORE)
    return archive(MODEL, store=STORE).parent


@pytest.fixture(scope="session")
def torchserve(store: Path) -> Iterator[Server]:
    """TorchServe, ready."""
    with Server([QUICK, MODEL], store=store) as server:
        yield server


@pytest.fixture(scope="session")
def uvicorn() -> Iterator[Uvicorn]:
    """uvicorn, ready."""
    pytest.importorskip("uvicorn", reason="needs the extra `asgi`")
    archive(QUICK, store=STORE)
    with Uvicorn([QUICK, ANOTHER], STORE) as server:
        yield server


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> AnyServer:
    """The server that a test is for: TorchServe, unless it is marked `BOTH`."""
    server: AnyServer = request.getfixturevalue(getattr(request, "param", "torchserve"))
    return server


@pytest.fixture(scope="session")
def api(server: AnyServer) -> Api:
    """Plain HTTP to the small model."""
    return Api(server, QUICK)


@pytest.fixture(scope="session")
def real_api(torchserve: Server) -> Api:
    """Plain HTTP to the real I3D, for tests that are about the network."""
    return Api(torchserve, MODEL)


@pytest.fixture(scope="session")
def client(server: AnyServer) -> Iterator[Client]:
    """Our own client."""
    with Client(server.url, key_file=server.key_file) as client:
        yield client


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short real H.264 file."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    path.write_bytes(bikes_like_mp4())
    return path
