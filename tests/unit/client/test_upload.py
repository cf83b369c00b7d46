"""Clips are read from disk only while they are sent."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.unit.client.fake_server import FakeServer

from videovisual_client import Client, InvalidRequest, upload

MB = 1 << 20
SEND = """
import resource, sys
from videovisual_client import Client, AsyncClient
import asyncio

url, kind, path = sys.argv[1:]

async def send():
    async with AsyncClient(url, token="") as client:
        await client.classify(path, model="m")

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if kind == "Client":
    with Client(url, token="") as client:
        client.classify(path, model="m")
else:
    asyncio.run(send())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_large_file_is_streamed(fake: FakeServer, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(200 * MB)
    fake.keep_bodies = False
    command = [sys.executable, "-c", SEND, fake.url, kind, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert fake.received[0].size > 200 * MB
    kilobytes = int(done.stdout)
    assert kilobytes < 30 * 1024


def test_a_folder_is_sent_in_natural_order_with_one_file_open(
    fake: FakeServer, client: Client, folder: Path
) -> None:
    client.classify(folder, model="m")
    body = fake.received[0].body
    wanted = [folder / f"{index}.png" for index in range(12)]
    assert [body.find(file.read_bytes()) for file in wanted] == sorted(
        body.find(file.read_bytes()) for file in wanted
    )
    assert b'name="frame_00011"; filename="11.png"' in body
    before = len(os.listdir("/proc/self/fd"))
    parts = upload.parts(folder)
    assert len(os.listdir("/proc/self/fd")) == before
    for _, (_, file) in parts:
        assert file.read(1)
        assert file.read()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_reads_as_files_do(tmp_path: Path) -> None:
    path = tmp_path / "clip.bin"
    path.write_bytes(bytes(range(100)))
    with path.open("rb") as real:
        late = upload.LazyFile(path)
        for move in [(10,), (5, os.SEEK_CUR), (-3, os.SEEK_END), (0, os.SEEK_END), (0,)]:
            assert late.seek(*move) == real.seek(*move)
            assert late.read(4) == real.read(4)
            assert late.tell() == real.tell()
        assert late.read() == real.read()
        assert late.read() == b""


def test_an_unreadable_clip_is_refused_before_any_request(
    fake: FakeServer, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "missing.mp4", tmp_path / "empty"):
        with pytest.raises(InvalidRequest, match=path.name):
            client.classify(path, model="m")
    assert fake.received == []


NOT_UTF_8 = "bad\udcff.mp4"


def test_a_name_that_is_not_utf_8_is_sent(fake: FakeServer, client: Client, tmp_path: Path) -> None:
    (tmp_path / NOT_UTF_8).write_bytes(b"clip")
    assert client.classify(tmp_path / NOT_UTF_8, model="m").predictions
    assert b"clip" in fake.received[0].body


def test_bytes_files_and_pipes_are_sent_and_can_be_read_again(
    fake: FakeServer, client: Client, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"clip",))
    writer.start()
    for clip in (tmp_path / "pipe", b"clip", io.BytesIO(b"clip")):
        assert client.classify(clip, model="m").clip == b"clip"
    writer.join()
    assert all(b"clip" in request.body for request in fake.received)


def test_the_command_reads_a_pipe(fake: FakeServer, tmp_path: Path) -> None:
    for name in ("-", "/dev/stdin"):
        command = [sys.executable, "-m", "videovisual_client", "classify", name, "--model", "m"]
        done = subprocess.run(
            [*command, "--url", fake.url], input=b"the clip", capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert all(b"the clip" in request.body for request in fake.received)


def test_a_file_that_goes_during_the_upload(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"x")
    ((_, (_, file)),) = upload.parts(path)
    path.unlink()
    with pytest.raises(InvalidRequest, match="cannot be read"):
        file.read()
