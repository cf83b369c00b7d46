"""Files are whole or not there, and what can't be written is told before the work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from videovisual.errors import WriteError
from videovisual.utils.cache_folder import default_cache
from videovisual.utils.files import check_writable, whole_file, write_whole

Write = Callable[[Path], object]


@pytest.fixture(params=["check", "write"])
def write(request: pytest.FixtureRequest) -> Write:
    return check_writable if request.param == "check" else lambda path: write_whole(path, b"x")


def test_a_file_and_its_folders_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / ("n" * 250 + ".txt")
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    assert write_whole(path, "zwölf\r\n").read_bytes() == "zwölf\r\n".encode()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "place", ["folder.png", "file/x.png", "file/a/x.png", "/proc/x.png", "a\0b"]
)
def test_a_place_for_no_file(tmp_path: Path, write: Write, place: str) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("here")
    with pytest.raises(WriteError, match="can't be written: "):
        write(tmp_path / place)
    assert {path.name for path in tmp_path.iterdir()} == {"folder.png", "file"}
    assert (tmp_path / "file").read_text() == "here"


def test_a_link_in_a_circle(tmp_path: Path, write: Write) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(WriteError):
        write(tmp_path / "a" / "x.png")


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "x.txt", "old")

    def fail() -> Iterator[None]:
        with whole_file(path) as draft:
            draft.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(WriteError, match="No space left"):
        list(fail())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_a_device_is_no_file_to_replace(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to("real/x.txt")
    write_whole(link, "x")
    assert link.is_symlink()
    assert (tmp_path / "real" / "x.txt").read_text() == "x"
    full = tmp_path / "full.txt"
    full.symlink_to("/dev/full")
    with pytest.raises(WriteError, match="No space left"):
        write_whole(full, "x")
    assert Path("/dev/full").is_char_device()


TO_A_PIPE = """
import sys
from pathlib import Path
from videovisual.utils.files import check_writable, write_whole

check_writable(Path(sys.argv[1]))
write_whole(Path(sys.argv[1]), "x")
"""


def test_a_pipe_takes_what_is_written(tmp_path: Path) -> None:
    """Of a container the server's log is a link to its standard error."""
    link = tmp_path / "server.log"
    link.symlink_to("/dev/stderr")
    command = [sys.executable, "-c", TO_A_PIPE, str(link)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_permissions(tmp_path: Path, write: Write) -> None:
    path = write_whole(tmp_path / "x.txt", "old")
    path.chmod(0o400)
    with pytest.raises(WriteError, match="may not be changed"):
        write(path)
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="Permission denied"):
        write(tmp_path / "new.txt")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk, which only root may make small."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from videovisual.utils.files import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_whole(Path(sys.argv[1]), b'x' * 2000)"
    )
    path = tmp_path / "x.bin"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert "WriteError" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIDEOVISUAL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(WriteError, match="VIDEOVISUAL_CACHE"):
        default_cache()
