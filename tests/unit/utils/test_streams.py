"""Clips that can be read only once."""

import io
import os
import threading
from pathlib import Path

import pytest
from tests.unit.clips.makers import encode

from videovisual.clips import Limits, open_path
from videovisual.errors import InvalidRequest, TooLarge
from videovisual.utils.streams import as_path, content


@pytest.fixture
def mp4() -> bytes:
    return encode()


def piped(path: Path, data: bytes) -> threading.Thread:
    """A named pipe into which a thread writes."""
    os.mkfifo(path)

    def write() -> None:
        try:
            path.write_bytes(data)
        except BrokenPipeError:
            """The reader has enough."""

    writer = threading.Thread(target=write)
    writer.start()
    return writer


def test_a_pipe_is_read_whole(tmp_path: Path, mp4: bytes) -> None:
    writer = piped(tmp_path / "pipe", mp4)
    assert open_path(tmp_path / "pipe").info.frame_count == 40
    writer.join()


def test_no_more_is_read_than_allowed(tmp_path: Path, mp4: bytes) -> None:
    writer = piped(tmp_path / "pipe", mp4)
    with pytest.raises(TooLarge, match="stream"):
        open_path(str(tmp_path / "pipe"), Limits(max_bytes=len(mp4) - 1))
    writer.join()
    with pytest.raises(TooLarge):
        content("/dev/zero", max_bytes=1000)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_bytes_and_open_files(kind: type) -> None:
    assert content(kind(b"clip")) == b"clip"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"clip")))
    assert content("-") == b"clip"


def test_files_and_folders_are_left_to_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"clip")
    for path in (tmp_path, tmp_path / "clip.mp4", tmp_path / "missing"):
        assert content(path) is None


@pytest.mark.parametrize(
    "clip", [io.StringIO("clip"), io.BytesIO(), "/dev/null"], ids=lambda each: type(each).__name__
)
def test_text_and_nothing_are_refused(clip: object) -> None:
    with pytest.raises(InvalidRequest):
        content(clip)


@pytest.mark.parametrize("clip", [None, 5, ["a.mp4"]])
def test_what_is_no_clip_is_refused(clip: object) -> None:
    assert content(clip) is None
    with pytest.raises(InvalidRequest, match="A clip is a path"):
        as_path(clip)


def test_a_null_character_is_refused() -> None:
    for look in (content, as_path):
        with pytest.raises(InvalidRequest, match="null character"):
            look("a\0b")
