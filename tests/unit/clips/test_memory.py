"""Headers that claim gigabytes are refused by their numbers, not by allocating."""

import gc
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from tests.unit.clips.makers import (
    encode,
    enormous_png,
    mux,
    packets_of,
    paint,
    patched,
    picture,
    zipped,
)
from tests.unit.clips.test_boxes import FRAGMENTED, HUGE, claims, with_sound

from videovisual.clips import open_bytes

ALLOWED_MIB = 64

MEASURE = """
import json, pathlib, sys
from videovisual.clips import open_path
from videovisual.errors import VideoVisualError

def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

def outcome(path):
    try:
        source = open_path(path)
        source.read([0, source.info.frame_count - 1])
    except VideoVisualError as error:
        return error.code

folder = pathlib.Path(sys.argv[1])
assert outcome(folder / "good") is None
before = peak()
codes = {}
for path in sorted(folder.iterdir()):
    codes[path.name] = outcome(path), peak() - before
print(json.dumps({"codes": codes, "torch": "torch" in sys.modules}))
"""


def enormous_jpeg(number=0):
    data = picture(paint(number), "JPEG")
    return patched(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", 65000, 65000))


def bombs():
    jpegs = [picture(paint(number), "JPEG") for number in range(3)]
    vp8 = packets_of(encode("libvpx", "webm", count=3))
    enormous_vp8 = patched(vp8[0], 6, struct.pack("<HH", 16000, 16000))
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999, 9999, 9999, 3), }"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    long_npy = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 1000
    many = claims(b"stsz", 4, struct.pack(">I", 10) + HUGE, encode())
    sound = with_sound(1)
    chunk = sound.index(b"stsc", sound.index(b"soun")) + 16
    return {
        "samples.mp4": claims(b"stsc", 8, struct.pack(">I", 1) + HUGE, many),
        "fragment.mp4": claims(b"trun", 4, HUGE, encode(muxer=FRAGMENTED)),
        "chunk.mov": patched(sound, chunk, struct.pack(">I", 2_000_000_000)),
        "box.mp4": claims(b"moov", -8, b"\xff\xff\xff\xf0", encode()),
        "screen.gif": b"GIF89a" + b"\xff" * 4 + picture(paint(0), "GIF")[10:],
        "first.avi": mux([enormous_jpeg(), *jpegs], "mjpeg", "avi"),
        "later.avi": mux([*jpegs, enormous_jpeg()], "mjpeg", "avi"),
        "later.webm": mux([*vp8, enormous_vp8], "libvpx", "webm"),
        "one.jpeg": enormous_jpeg(),
        "one.png": enormous_png(),
        "one.bmp": patched(picture(paint(0), "BMP"), 18, struct.pack("<ii", 60000, 60000)),
        "shape.npz": zipped([("frames.npy", npy)]),
        "header.npz": zipped([("frames.npy", long_npy)]),
        "pages.zip": zipped([("0.png", picture(paint(0)))]) + b"PK\x01\x02" * 500_000,
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    if not Path("/proc/self/status").is_file():
        pytest.skip("needs /proc")
    folder = tmp_path_factory.mktemp("bombs")
    (folder / "good").write_bytes(encode())
    for name, data in bombs().items():
        (folder / name).write_bytes(data)
    command = [sys.executable, "-c", MEASURE, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_memory_is_bounded(measured):
    codes = measured["codes"]
    assert max(grown for _, grown in codes.values()) < ALLOWED_MIB, codes


def test_each_bomb_is_refused(measured):
    codes = {name: code for name, (code, _) in measured["codes"].items()}
    assert codes.pop("good") is None
    assert set(codes.values()) == {"too_large", "malformed_clip"}
    too_large = {"samples.mp4", "fragment.mp4", "chunk.mov", "screen.gif", "one.png", "pages.zip"}
    assert too_large <= {name for name, code in codes.items() if code == "too_large"}


def test_clips_need_no_torch(measured):
    assert measured["torch"] is False


def test_a_read_holds_little_more_than_its_frames():
    """The frames wanted, not those decoded on the way."""
    import tracemalloc

    from videovisual.clips import open_bytes

    source = open_bytes(encode(count=40))
    tracemalloc.start()
    frames = source.read([39])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frames.nbytes == np.prod((96, 176, 3))
    assert peak < 6 * frames.nbytes


def test_a_picture_is_freed_when_it_has_been_read():
    """Without a collection of cycles, whose time would decide what a damaged picture shows."""
    source = open_bytes(encode("mjpeg", "avi", pixels="yuvj420p", count=5))
    gc.collect()
    gc.disable()
    try:
        source.read(range(5))
        kept = [each for each in gc.get_objects() if type(each) is VideoFrame]
    finally:
        gc.enable()
    assert not kept
