"""Explanations in other programs: FiftyOne, Rerun, TensorBoard and MLflow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videovisual.errors import InvalidParameter
from videovisual.utils.extras import needs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from videovisual.protocol import Explanation
    from videovisual.saliency import Saliency
    from videovisual_client.result import Explained

FIELD = "saliency"


def to_fiftyone(result: Explained, sample: Any, field: str) -> None:
    """See `Explained.to_fiftyone`."""
    with needs("fiftyone"):
        import fiftyone  # noqa: PLC0415
    if getattr(sample, "media_type", None) != "video":
        raise InvalidParameter(
            "The maps are added to the frames of a video, and this sample is "
            f"{getattr(sample, 'media_type', type(sample).__name__)}. Give the sample of the "
            "clip's video file.",
            parameter="sample",
        )
    for name, explanation in _named(result, field):
        saliency = explanation.to_saliency()
        values = _whole_frames(saliency)
        largest = float(abs(values).max())
        bounds = [-largest, largest] if saliency.signed else [float(values.min()), largest]
        # FiftyOne counts frames from 1.
        for index, frame in zip(result.answer.clip["frame_indices"], values, strict=True):
            sample.frames[index + 1][name] = fiftyone.Heatmap(
                map=frame,
                range=bounds,
                label=explanation.target.label,
                method=explanation.method,
                probability=explanation.target.probability,
            )


def to_rerun(result: Explained, recording: Any) -> Any:
    """See `Explained.to_rerun`."""
    with needs("rerun"):
        import rerun  # noqa: PLC0415
    from videovisual import render  # noqa: PLC0415

    stream = recording or rerun.get_data_recording() or rerun.RecordingStream("videovisual")
    panels = list(zip(_named(result, FIELD), result.panels(), strict=True))
    for (name, _), panel in panels:
        stream.log(name, rerun.TextDocument(f"{panel.caption}\n{panel.detail}"), static=True)
    times = result.answer.clip.get("timestamps")
    overlays = [render.overlay(panel.saliency, panel.frames) for _, panel in panels]
    for place, index in enumerate(result.answer.clip["frame_indices"]):
        stream.set_time("frame", sequence=index)
        if times:
            stream.set_time("clip", duration=times[place])
        stream.log("clip", rerun.Image(panels[0][1].frames[place]))
        for ((name, _), panel), overlay in zip(panels, overlays, strict=True):
            stream.log(f"{name}/overlay", rerun.Image(overlay[place]))
            stream.log(f"{name}/share", rerun.Scalars(float(panel.curve[place])))
    return stream


def to_tensorboard(result: Explained, writer: Any, step: int) -> None:
    """See `Explained.to_tensorboard`."""
    with needs("pictures"):
        import numpy as np  # noqa: PLC0415

        from videovisual import render  # noqa: PLC0415
    for (name, explanation), panel in zip(_named(result, FIELD), result.panels(), strict=True):
        tag = f"{name}/{explanation.method}"
        picture = np.asarray(render.strip([panel]))
        writer.add_image(tag, picture, step, dataformats="HWC")
        for measure, value in _measures(explanation):
            writer.add_scalar(f"{tag}/{measure}", value, step)


def to_mlflow(result: Explained, run_id: str | None, folder: str) -> str:
    """See `Explained.to_mlflow`."""
    with needs("mlflow"):
        import mlflow  # noqa: PLC0415
    active = mlflow.active_run()
    if run_id is None and active is None:
        with mlflow.start_run() as run:
            return to_mlflow(result, run.info.run_id, folder)
    run_id = run_id or str(active.info.run_id)
    with tempfile.TemporaryDirectory() as made:
        for name in ("answer.json", "maps.npz", "strip.png"):
            result.save(Path(made, name))
        mlflow.log_artifacts(made, folder, run_id=run_id)
    measured = {
        f"{name}/{measure}": value
        for name, explanation in _named(result, folder)
        for measure, value in _measures(explanation)
    }
    mlflow.log_metrics(measured, run_id=run_id)
    return run_id


def _named(result: Explained, field: str) -> Iterator[tuple[str, Explanation]]:
    """Each explanation with its name: the field, then `field_1`, …."""
    for number, explanation in enumerate(result.explanations):
        yield f"{field}_{number}" if number else field, explanation


def _measures(explanation: Explanation) -> Iterator[tuple[str, float]]:
    found = {"probability": explanation.target.probability, **(explanation.faithfulness or {})}
    for name, value in found.items():
        if value is not None:
            yield name, value


def _whole_frames(saliency: Saliency) -> npt.NDArray[np.float32]:
    """The map over the whole frame, at the map's own resolution; beside the crop its least value,
    or 0 in a signed map."""
    import numpy as np  # noqa: PLC0415

    crop = saliency.provenance.get("crop")
    if crop is None:
        return saliency.map
    frames, *size = saliency.map.shape
    sides = (("height", "top"), ("width", "left"))
    whole, first = [], []
    for pixels, (length, start) in zip(size, sides, strict=True):
        scale = pixels / crop[length]
        whole.append(max(pixels, round(crop[f"source_{length}"] * scale)))
        first.append(min(max(round(crop[start] * scale), 0), whole[-1] - pixels))
    beside = 0 if saliency.signed else saliency.map.min()
    values = np.full((frames, *whole), beside, np.float32)
    down, right = first
    values[:, down : down + size[0], right : right + size[1]] = saliency.map
    return values
