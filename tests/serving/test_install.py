"""The wheel and the source distribution: built, installed into empty environments, used there."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import light
from tests.browser.conftest import FLAGS, chromium_path
from tests.serving.api import Api
from tests.serving.conftest import QUICK

from videovisual import motion
from videovisual.protocol import Answer
from videovisual.protocol.npz import to_npz
from videovisual.version import __version__
from videovisual_client.torchserve import Server

ROOT = Path(__file__).parents[2]
MAX_BYTES = 60_000_000
"""What the client may add to an environment, bytecode included."""
DEADLINE_S = 600
NOT_SOURCES = shutil.ignore_patterns(
    *(".*", "__pycache__", "*.egg-info", "build", "dist", "site"),
    *("model_store", "demo_output", "logs"),
)
SERVE = f"""
import sys
from pathlib import Path
from videovisual_client import Client
from videovisual_client.torchserve import Server

store, clip = sys.argv[1:]
with Server(["{QUICK}"], store=Path(store)) as server:
    with Client(server.url, key_file=server.key_file) as client:
        client.explain(clip, model="{QUICK}", method="gradient").save("served.png")
"""
BROWSER = """
import os, sys, urllib.request
from urllib.parse import urljoin
try:
    for name in ("", "/assets/viewer.js", "/assets/api.js", "/assets/report.css"):
        url = urljoin(sys.argv[1], name)
        sys.stdout.write(urllib.request.urlopen(url, timeout=20).read().decode())
    sys.stdout.flush()
finally:
    os.kill(os.getppid(), 2)
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, used from a folder that has nothing to do with the checkout."""

    home: Path
    work: Path

    def run(self, program: str, *words: str | Path, env: Mapping[str, str] | None = None) -> str:
        """Run one of its programs; what it prints."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [self.home / "bin" / program, *words],
            cwd=self.work,
            env={**inherited, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
            # Those that are started in the background ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, script: str, home: Path) -> str:
        """Run shell commands as somebody would whose home is empty; what they print."""
        home.mkdir()
        # Java may be anywhere.
        known = {"PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=self.work,
            env={**known, "HOME": str(home), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def size(self) -> int:
        return sum(path.lstat().st_size for path in self.home.rglob("*") if not path.is_dir())


def environment(folder: Path) -> Environment:
    made = Environment(folder / "venv", folder / "work")
    made.work.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(made.home)], check=True)
    return made


def install(environment: Environment, *what: str) -> None:
    constraints = ["-c", str(ROOT / "constraints.txt")]
    environment.run("python", "-m", "pip", "install", "-q", *constraints, *what)


def at(server: Server) -> list[str]:
    return ["--model", QUICK, "--url", server.url, "--key-file", str(server.key_file)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the source distribution and of the wheel that was built from it."""
    work = tmp_path_factory.mktemp("build")
    # Setuptools builds where the sources are.
    shutil.copytree(ROOT, work / "source", ignore=NOT_SOURCES)
    command = [sys.executable, "-m", "build", "--outdir", str(work / "dist"), str(work / "source")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return work / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return built / f"videovisual-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def client(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, int]:
    """An environment with the wheel alone, and by how many bytes it grew."""
    made = environment(tmp_path_factory.mktemp("client"))
    before = made.size()
    install(made, str(wheel))
    return made, made.size() - before


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel, the server and the viewer."""
    made = environment(tmp_path_factory.mktemp("whole"))
    extras = "server,ui" if shutil.which("java") else "server,ui,java"
    install(made, f"{wheel}[{extras}]")
    return made


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip of Motion."""
    path = tmp_path / "clip.npz"
    np.savez(path, frames=motion.sample(4).frames, fps=8.0)
    return path


def test_without_extras_a_map_is_saved_as_the_server_would(
    api: Api, server: Server, video: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "map.npz"
    asked = ["--method", "gradient", "-o", str(saved)]
    (done,) = light.videovisual(["explain", str(video), *at(server), *asked])
    assert done.status == 0, done.error
    fields = {"method": "gradient", "output": "npz"}
    served = api.explain(files={"video": video.read_bytes()}, data=fields)
    assert saved.read_bytes() == served.content


@pytest.mark.slow
def test_the_client_is_small_and_has_no_arrays(client: tuple[Environment, int]) -> None:
    installed, grown = client
    assert grown <= MAX_BYTES
    assert "explain" in installed.run("videovisual", "--help")
    for name in light.REFUSED:
        code = f"import importlib.util as u; print(u.find_spec('{name}') is None)"
        assert installed.run("python", "-c", code) == "True\n", name


@pytest.mark.slow
def test_the_client_asks_a_real_server(
    client: tuple[Environment, int], server: Server, video: Path, tmp_path: Path
) -> None:
    installed, _ = client
    saved = tmp_path / "map.npz"
    asked = ["--method", "gradient", "-o", str(saved), "--json"]
    printed = installed.run("videovisual", "explain", str(video), *at(server), *asked)
    assert saved.read_bytes() == to_npz(Answer.model_validate_json(printed))


@pytest.mark.slow
def test_the_command_that_a_message_names_installs_the_extra(
    client: tuple[Environment, int],
) -> None:
    installed, _ = client
    code = "import videovisual\ntry: videovisual.motion\nexcept Exception as error: print(error)"
    message = installed.run("python", "-c", code)
    reason, _, command = message.strip().partition(": ")
    assert reason == "Arrays and pictures need numpy and Pillow"
    # Pip is that of this environment, which is not on the path.
    program, *words = shlex.split(command.removesuffix("."))
    assert Path(program) == installed.home / "bin" / "python"
    would = installed.run("python", *words, "--dry-run")
    assert "numpy" in would
    assert "pillow" in would.lower()


@pytest.mark.slow
def test_outside_the_checkout_a_clip_is_explained(whole: Environment, clip: Path) -> None:
    code = "import videovisual; print(videovisual.__version__, videovisual.__file__)"
    version, file = whole.run("python", "-c", code).split()
    assert version == __version__
    assert whole.home in Path(file).parents
    words = ["--model", QUICK, "--local", "-o", "strip.png", "-o", "report.html"]
    whole.run("videovisual", "explain", clip, *words)
    with Image.open(whole.work / "strip.png") as picture:
        assert picture.width > 400
    assert "<script" in (whole.work / "report.html").read_text("utf-8")
    labels = "from videovisual import zoo; print(len(zoo.card('i3d-kinetics400').labels))"
    assert whole.run("python", "-c", labels) == "400\n"


def in_readme(title: str, language: str, end: str = "\n## ") -> str:
    """The first block of a language in a section of the README."""
    section = (ROOT / "README.md").read_text("utf-8").partition(f"\n{title}\n")[2].partition(end)[0]
    return section.partition(f"```{language}\n")[2].partition("```")[0]


@pytest.mark.slow
def test_the_first_five_minutes_of_somebody_with_a_clip(
    whole: Environment, video: Path, tmp_path: Path
) -> None:
    for name in ("clip.mp4", "film.mp4"):
        shutil.copyfile(video, whole.work / name)
    script = in_readme("## Five minutes", "sh").replace("i3d-kinetics400", QUICK)
    # The viewer, which doesn't end by itself, has its own test.
    script = "\n".join(line for line in script.splitlines() if " ui " not in line)
    printed = whole.shell(script, tmp_path / "home")
    assert QUICK in printed
    assert "integrated_gradients" in printed
    for name in ("strip.png", "compare.png"):
        with Image.open(whole.work / name) as picture:
            assert picture.width > 400
    assert_plays(whole.work / "report.html", "frame ")


NETWORK = """
from torch import nn
network = nn.Sequential(nn.AvgPool3d((16, 16, 16)), nn.Flatten(), nn.Linear(147, 3))
"""
OWN = "videovisual explain clip.mp4 --model gestures --target wave --local -o own.png"


@pytest.mark.slow
def test_the_first_five_minutes_of_somebody_with_a_network(
    whole: Environment, video: Path, tmp_path: Path
) -> None:
    shutil.copyfile(video, whole.work / "clip.mp4")
    lines = in_readme("## Your own model", "python")
    archive = 'model.archive("gestures")'
    assert archive in (ROOT / "README.md").read_text("utf-8")
    (whole.work / "own.py").write_text(f"{NETWORK}{lines}{archive}\n", "utf-8")
    whole.shell(f"python own.py; {OWN}", tmp_path / "home")
    assert_plays(whole.work / "report.html", "wave")
    with Image.open(whole.work / "own.png") as picture:
        assert picture.width > 400


def assert_plays(report: Path, word: str) -> None:
    """A report that was sent by mail, in a browser of somebody who has nothing installed."""
    chromium = chromium_path()
    if chromium is None:
        pytest.skip("needs Chromium")
    command = [chromium, *FLAGS, "--virtual-time-budget=5000", "--dump-dom", report.as_uri()]
    sent = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    # Without the data, which hold every word, what the page has drawn of them is left.
    drawn = sent.stdout.partition("<script")[0]
    assert "<canvas" in drawn
    assert word in drawn


@pytest.mark.slow
def test_outside_the_checkout_a_model_is_archived_and_served(
    whole: Environment, clip: Path
) -> None:
    whole.run("videovisual", "archive", "--store", "store", QUICK)
    whole.run("python", "-c", SERVE, "store", clip)
    with Image.open(whole.work / "served.png") as picture:
        assert picture.width > 400


@pytest.mark.slow
def test_outside_the_checkout_the_viewer_has_its_page(whole: Environment) -> None:
    script = whole.work / "browser.py"
    script.write_text(BROWSER)
    browser = {"BROWSER": f"{whole.home / 'bin' / 'python'} {script} %s", "PYTHONUNBUFFERED": "1"}
    printed = whole.run("videovisual", "ui", QUICK, "--local", "--open", "--port", "0", env=browser)
    assert "<title>" in printed
    assert "fetch(" in printed


@pytest.mark.slow
def test_the_source_distribution_has_the_documents_and_the_tests(built: Path) -> None:
    name = f"videovisual-{__version__}"
    with tarfile.open(built / f"{name}.tar.gz") as archive:
        names = set(archive.getnames())
    for path in (
        *("LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "constraints.txt", "Makefile"),
        *("handlers/video_handler.py", "client/videovisual_client/log4j2.xml"),
        *("archive_scripts/videovisual_archive/mar.py", "docs/methods.md"),
        "tests/serving/test_install.py",
    ):
        assert f"{name}/{path}" in names
