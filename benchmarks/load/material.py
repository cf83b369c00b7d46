"""Clips to send and archives to serve."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import av
import numpy as np
import yaml

from videovisual import motion, zoo
from videovisual_archive import archive
from videovisual_archive.mar import CONFIG, build_archive

PLAIN = {"minWorkers": 1, "maxWorkers": 1, "batchSize": 1, "responseTimeout": 900}


def motion_clip(index: int) -> bytes:
    """A held-out clip of Motion as npz: 16 frames of 64 × 64."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, frames=motion.sample(index).frames)
    return buffer.getvalue()


def video(kilobytes: int = 300, side: int = 256, count: int = 75, fps: int = 25) -> bytes:
    """Three seconds of H.264, of about that size."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = kilobytes * 8000 * fps // count
        for number in range(count):
            moved = np.roll(base, number, axis=1).repeat(8, axis=0).repeat(8, axis=1)
            grain = rng.integers(0, 24, moved.shape, dtype=np.uint8)
            picture = np.clip(moved.astype(np.int16) + grain, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def served(model: str, store: Path) -> None:
    """An archive of the model with our handler."""
    archive(model, store=store)


def plain(model: str, store: Path) -> None:
    """An archive of the same model with the plain handler."""
    card = zoo.card(model)
    path = build_archive(
        card,
        zoo.load(model).network.state_dict(),
        store,
        source_sha256=card.weights.sha256 or "",
        handler=Path(__file__).with_name("plain_handler.py"),
        force=True,
    )
    with zipfile.ZipFile(path) as opened:
        parts = [(entry, opened.read(entry)) for entry in opened.infolist()]
    with zipfile.ZipFile(path, "w") as out:
        for entry, data in parts:
            is_config = Path(entry.filename).name == CONFIG
            out.writestr(entry, yaml.safe_dump(PLAIN).encode() if is_config else data)
