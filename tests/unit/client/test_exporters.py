"""Explanations in other programs, each with the real one."""

from __future__ import annotations

import io
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.unit.clips.makers import encode

from videovisual import render
from videovisual.errors import InvalidParameter, MissingExtra
from videovisual_client import Explained, exporters
from videovisual_client.local import Local

METHODS = ["gradient", "gradient_x_input"]


@pytest.fixture(autouse=True)
def _untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the libraries would tell their makers that they are used."""
    for name in ("DO_NOT_TRACK", "FIFTYONE_DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "true")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    path.write_bytes(encode())
    return path


@pytest.fixture(scope="module")
def result(clip: Path) -> Iterator[Explained]:
    with Local("cpu") as client:
        yield client.explain(str(clip), model="tsm-motion", method=METHODS)


def test_fiftyone_has_a_heatmap_a_frame(result: Explained, clip: Path) -> None:
    fiftyone = pytest.importorskip("fiftyone")
    sample = fiftyone.Sample(filepath=str(clip))
    result.to_fiftyone(sample)
    # The model's crop is the middle square of 176 × 96 pixels, 64 × 64 in the map.
    for name, explanation in zip(("saliency", "saliency_1"), result.explanations, strict=True):
        values = explanation.to_saliency().map
        for index, expected in zip(result.answer.clip["frame_indices"], values, strict=True):
            label = sample.frames[index + 1][name]
            assert label.map.shape == (64, 117)
            np.testing.assert_array_equal(label.map[:, 26:90], expected)
            beside = 0 if explanation.signed else values.min()
            assert (label.map[:, :26] == beside).all()
            assert (label.map[:, 90:] == beside).all()
            assert label.label == explanation.target.label
            assert label.method == explanation.method
            low, high = label.range
            assert low == (-high if explanation.signed else pytest.approx(values.min()))
            assert low <= expected.min()
            assert high >= expected.max()
            assert label.to_dict()["map"]
    assert len(sample.frames) == len(set(result.answer.clip["frame_indices"]))


def test_the_map_is_laid_over_the_whole_frame(result: Explained) -> None:
    """What FiftyOne gets, where it isn't installed."""
    whole = exporters._whole_frames(result.saliency)
    assert whole.shape[1:] == (64, 117)
    np.testing.assert_array_equal(whole[:, :, 26:90], result.saliency.map)
    assert (whole[:, :, :26] == result.saliency.map.min()).all()


def test_fiftyone_refuses_a_sample_of_another_kind(result: Explained, tmp_path: Path) -> None:
    fiftyone = pytest.importorskip("fiftyone")
    sample = fiftyone.Sample(filepath=str(tmp_path / "picture.png"))
    with pytest.raises(InvalidParameter, match="this sample is image"):
        result.to_fiftyone(sample)


def test_tensorboard_has_the_filmstrip_and_the_measures(result: Explained, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        result.to_tensorboard(writer, step=7)
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = ["saliency/gradient", "saliency_1/gradient_x_input"]
    assert events.Tags()["images"] == tags
    for tag, panel, explanation in zip(tags, result.panels(), result.explanations, strict=True):
        (image,) = events.Images(tag)
        assert image.step == 7
        shown = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)).convert("RGB"))
        np.testing.assert_array_equal(shown, np.asarray(render.strip([panel])))
        (scalar,) = events.Scalars(f"{tag}/probability")
        assert scalar.value == pytest.approx(explanation.target.probability, rel=1e-6)


def test_mlflow_has_the_answer_the_maps_and_the_filmstrip(
    result: Explained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    own = result.to_mlflow()
    assert mlflow.active_run() is None
    with mlflow.start_run() as run:
        assert result.to_mlflow(folder="maps") == run.info.run_id
    assert result.to_mlflow(own) == own
    client = mlflow.MlflowClient()
    for number, folder in ((own, "saliency"), (run.info.run_id, "maps")):
        names = {entry.path for entry in client.list_artifacts(number, folder)}
        assert names == {f"{folder}/{name}" for name in ("answer.json", "maps.npz", "strip.png")}
        metrics = client.get_run(number).data.metrics
        first = result.explanations[0].target.probability
        assert metrics[f"{folder}/probability"] == pytest.approx(first)
        assert set(metrics) == {f"{folder}/probability", f"{folder}_1/probability"}
    saved = mlflow.artifacts.download_artifacts(run_id=own, artifact_path="saliency/maps.npz")
    with np.load(saved, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["map"], result.saliency.map)


def test_rerun_has_the_frames_and_the_maps(result: Explained, tmp_path: Path) -> None:
    rerun = pytest.importorskip("rerun")
    chunk = pytest.importorskip("rerun.chunk")
    recording = rerun.RecordingStream("test")
    path = tmp_path / "clip.rrd"
    recording.save(path)
    assert result.to_rerun(recording) is recording
    recording.flush()
    recording.disconnect()
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in chunk.RrdReader(path).stream():
        rows[each.entity_path] += each.to_record_batch().to_pylist()
    frames, panels = result.source_frames(), result.panels()
    drawn = {"/clip": frames, "/saliency/overlay": render.overlay(panels[0].saliency, frames)}
    for entity, pictures in drawn.items():
        found = sorted(rows[entity], key=lambda row: row["frame"])
        assert [row["frame"] for row in found] == result.answer.clip["frame_indices"]
        for row, picture in zip(found, pictures, strict=True):
            assert bytes(row["Image:buffer"][0]) == picture.tobytes()
    for name, panel in zip(("saliency", "saliency_1"), panels, strict=True):
        found = sorted(rows[f"/{name}/share"], key=lambda row: row["frame"])
        shares = [row["Scalars:scalars"][0] for row in found]
        np.testing.assert_allclose(shares, panel.curve)
        (text,) = rows[f"/{name}"]
        assert panel.caption in text["TextDocument:text"][0]


@pytest.mark.parametrize("name", ["fiftyone", "rerun", "mlflow"])
def test_a_missing_extra_is_named(
    name: str, result: Explained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    arguments: list[Any] = [object()] if name == "fiftyone" else []
    with pytest.raises(MissingExtra, match=rf"\[{name}\]"):
        getattr(result, f"to_{name}")(*arguments)
