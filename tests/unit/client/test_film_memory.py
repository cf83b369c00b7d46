"""A long film takes no more memory than a short one."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from videovisual import motion

FPS = 25
LOOP_S = 10
MOST_MIB = 1536
GROWTH_MIB = 200

MEASURE = """
import json, pathlib, sys
from videovisual_client.cli import main

code = 0
try:
    main(sys.argv[1:], standalone_mode=False)
except SystemExit as end:
    code = end.code
lines = pathlib.Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
print(json.dumps({"peak": peak, "code": code}))
"""


def long_film(path: Path, minutes: int) -> None:
    """A film that repeats ten seconds, encoded once: 160 × 120, 25 frames a second, a keyframe each
    ten seconds."""
    clips = [motion.sample(number).frames for number in range(LOOP_S)]
    large = [
        [np.asarray(Image.fromarray(frame).resize((160, 120))) for frame in clip] for clip in clips
    ]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.gop_size = LOOP_S * FPS
        for number in range(LOOP_S * FPS):
            frame = large[number // FPS][number % FPS * motion.FRAMES // FPS]
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode())
    with av.open(str(path), "w", format="mp4") as output:
        copy = None
        for turn in range(minutes * 60 // LOOP_S):
            with av.open(io.BytesIO(buffer.getvalue())) as loop:
                stream = loop.streams.video[0]
                copy = copy or output.add_stream_from_template(stream)
                shift = round(turn * LOOP_S / stream.time_base)
                for packet in loop.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = copy
                        output.mux(packet)


def peak_mib(film: Path, folder: Path) -> int:
    arguments = ["explain", str(film), "--model", "r3d-motion", "--timeline", "--local"]
    options = ["--device", "cpu", "--method", "gradient", "--windows", "2", "-o", str(folder)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments, *options],
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["code"] == 0, done.stderr
    return int(result["peak"])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_the_film(tmp_path: Path) -> None:
    peaks = {}
    for minutes in (1, 30):
        film = tmp_path / f"film{minutes}.mp4"
        long_film(film, minutes)
        peaks[minutes] = peak_mib(film, tmp_path)
        results = tmp_path / "timeline/r3d-motion" / film.stem
        found = json.loads((results / "timeline.json").read_text())
        assert len(found["windows"]) == 60 * minutes
        assert len(list(results.glob("seconds-*.json"))) == minutes
    assert peaks[30] <= MOST_MIB, peaks
    assert peaks[30] - peaks[1] <= GROWTH_MIB, peaks
