import dataclasses
import json
import shutil
import subprocess
import sys
import zipfile

import pytest
import torch
import yaml
from safetensors import safe_open

from videovisual import zoo
from videovisual.errors import MissingExtra, WeightsError
from videovisual.zoo.card import ModelCard
from videovisual_archive import mar

SOURCE_SHA256 = "5" * 64
CLASSIFY = """
import pathlib, video_handler
from videovisual import motion, zoo
model = zoo.load_folder(pathlib.Path.cwd())
clip = model.prepare(motion.sample(0).frames)
print(zoo.__file__)
print(tuple(model.logits(clip[None]).shape))
"""


@pytest.fixture(scope="module")
def card():
    card = zoo.card("r3d-motion")
    return dataclasses.replace(card, options={"width": 8})


@pytest.fixture(scope="module")
def state(card):
    torch.manual_seed(0)
    return zoo.build(card).state_dict()


@pytest.fixture
def build(card, state, tmp_path):
    def run(force=False, **changes):
        changed = dataclasses.replace(card, **changes)
        return mar.build_archive(
            changed, state, tmp_path / "store", source_sha256=SOURCE_SHA256, force=force
        )

    return run


def test_an_archive_is_what_torchserve_loads(build, card, state, tmp_path):
    archive = build()
    assert archive == tmp_path / "store" / "r3d-motion.mar"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "model")
    model = tmp_path / "model"
    manifest = json.loads((model / "MAR-INF" / "MANIFEST.json").read_text())["model"]
    assert manifest["modelName"] == "r3d-motion"
    assert manifest["handler"] == "video_handler.py"
    assert manifest["serializedFile"] == "weights.safetensors"
    config = yaml.safe_load((model / manifest["configFile"]).read_text())
    assert config["continuousBatching"] is True
    assert config["minWorkers"] == config["maxWorkers"] == config["maxBatchDelay"] == 1
    assert ModelCard.from_json(json.loads((model / "card.json").read_text())).labels == card.labels
    with safe_open(model / "weights.safetensors", "pt") as weights:
        assert json.loads(weights.metadata()["videovisual"])["source_sha256"] == SOURCE_SHA256
        read = {key: weights.get_tensor(key) for key in weights.keys()}  # noqa: SIM118
    torch.testing.assert_close(read, dict(state), rtol=0, atol=0)


def test_the_package_inside_classifies_without_what_is_left_out(build, tmp_path):
    with zipfile.ZipFile(build()) as opened:
        opened.extractall(tmp_path / "model")
        names = opened.namelist()
    assert "videovisual/zoo/labels/kinetics400.txt" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert [name for name in names if name.endswith(".safetensors")] == ["weights.safetensors"]
    assert not [
        name
        for name in names
        if any(part in name for part in ("weights_io", "zoo/sources", "training", "audit", "diff/"))
    ]
    done = subprocess.run(
        [sys.executable, "-c", CLASSIFY],
        cwd=tmp_path / "model",
        env={"PYTHONPATH": str(tmp_path / "model")},
        capture_output=True,
        text=True,
        check=True,
    )
    place, shape = done.stdout.splitlines()
    assert place.startswith(str(tmp_path / "model"))
    assert shape == "(1, 10)"


def test_the_same_content_is_the_same_bytes(build):
    first = build().read_bytes()
    assert build(force=True).read_bytes() == first


def test_a_current_archive_is_kept(build):
    archive = build()
    before = archive.stat().st_mtime_ns
    assert build().stat().st_mtime_ns == before
    assert build(force=True).stat().st_mtime_ns != before


def test_another_card_makes_another_archive(build):
    before = build().stat().st_mtime_ns
    assert build(accuracy="better").stat().st_mtime_ns != before


def test_other_code_has_another_fingerprint(card, tmp_path, monkeypatch):
    package = tmp_path / "videovisual"
    shutil.copytree(mar.package_folder(), package, ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copy(mar.handler_file(), tmp_path)
    before = mar.fingerprint(card, SOURCE_SHA256)
    monkeypatch.setattr(mar, "package_folder", lambda: package)
    assert mar.fingerprint(card, SOURCE_SHA256) == before
    (package / "zoo" / "tsm.py").write_text("")
    assert mar.fingerprint(card, SOURCE_SHA256) != before
    assert mar.fingerprint(card, "6" * 64) != mar.fingerprint(card, SOURCE_SHA256)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut off"])
def test_a_damaged_archive_is_built_anew(build, damage):
    archive = build()
    whole = archive.read_bytes()
    archive.write_bytes(damage)
    assert build().read_bytes() == whole


def test_a_failure_keeps_the_old_archive(build, tmp_path, monkeypatch):
    archive = build()
    before = archive.read_bytes()
    monkeypatch.setattr(mar.zipfile.ZipFile, "open", lambda *_arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(force=True)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["r3d-motion.mar"]
    assert archive.read_bytes() == before


def test_the_archiver_s_error_is_reported(build):
    with pytest.raises(WeightsError, match=r"cannot archive a b: .*regular expression"):
        build(name="a b")


def test_a_missing_archiver_is_reported(build, monkeypatch, tmp_path):
    (tmp_path / "model_archiver.py").write_text("raise ModuleNotFoundError('No module named x')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingExtra, match=r"pip install .*\[server\]"):
        build()
