"""Small uploads that claim much, inside of one another: refused at once, by what they claim."""

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.unit.clips.makers import encode, enormous_png, npz, paint, patched, picture, zipped
from tests.unit.clips.test_memory import enormous_jpeg

ALLOWED_MIB = 40
ALLOWED_S = 1.0
"""Processor time for one bomb."""

MEASURE = """
import json, pathlib, sys, time
from videovisual.clips import open_bytes, open_parts
from videovisual.errors import VideoVisualError

def status(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) // 1024

def outcome(data, parts):
    try:
        source = open_parts({"frame_000": data, "frame_001": data}) if parts else open_bytes(data)
        source.read([0, source.info.frame_count - 1])
    except VideoVisualError as error:
        return error.status, error.message

folder = pathlib.Path(sys.argv[1])
for name in ("video", "picture", "picture.parts"):
    assert outcome((folder / name).read_bytes(), name.endswith("parts")) is None
found = {}
for path in sorted(folder.iterdir()):
    data = path.read_bytes()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before, began = status("VmRSS"), time.process_time()
    told = outcome(data, path.suffix == ".parts")
    found[path.name] = told, status("VmHWM") - before, time.process_time() - began
print(json.dumps(found))
"""


def deflated(**members):
    return zipped([(f"{name}.npy", data) for name, data in members.items()], zipfile.ZIP_DEFLATED)


def npy(shape, dtype="|u1", values=b""):
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values


def webp(chunk, payload):
    body = b"WEBP" + chunk + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pictures():
    """Pictures of a few bytes that claim hundreds of megapixels."""
    extended = b"\x10\0\0\0" + (16383).to_bytes(3, "little") * 2
    lossless = b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(64)
    lossy = b"\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383) + bytes(64)
    bitmap = picture(paint(0), "BMP")
    webp_whole = picture(paint(0), "WEBP", lossless=True)
    at = webp_whole.index(b"VP8L") + 9
    return {
        "png": enormous_png(),
        "jpeg": enormous_jpeg(),
        "bmp": patched(bitmap, 18, struct.pack("<ii", 60000, 60000)),
        "bmp upside down": patched(bitmap, 18, struct.pack("<ii", 60000, -60000)),
        "webp": webp(b"VP8X", extended),
        "webp of a frame": webp(b"VP8X", extended) + webp_whole[12:],
        "webp lossless": webp(b"VP8L", lossless),
        "webp lossy": webp(b"VP8 ", lossy),
        "webp whole": patched(webp_whole, at, struct.pack("<I", 16382 | 16382 << 14)),
    }


def arrays():
    """Npz files of some kilobytes whose members inflate to hundreds of megabytes."""
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    whole = npy(frames.shape, values=frames.tobytes())
    zeros = bytes(2**27)
    thin = npy((2**25, 1, 1, 3), values=bytes(3 * 2**25))
    return {
        "timestamps": deflated(frames=whole, timestamps=npy((2**27,), values=zeros)),
        "timestamps f8": deflated(frames=whole, timestamps=npy((2**24,), "<f8", zeros)),
        "timestamps of thin frames": deflated(
            frames=thin, timestamps=npy((2**25,), values=zeros[: 2**25])
        ),
        "timestamps scalar": npz(frames=frames, timestamps=0.5),
        "timestamps short": deflated(frames=whole, timestamps=npy((4,), "<f8", b"1234")),
        "timestamps text": npz(frames=frames, timestamps=np.array(["x" * 10**6] * 4)),
        "timestamps object": npz(frames=frames, timestamps=np.array([{}] * 4, object)),
        "fps": deflated(frames=whole, fps=npy((2**27,), values=zeros)),
        "fps claimed": deflated(frames=whole, fps=npy((10**12,), "<f8")),
        "frames of no pixels": npz(frames=np.zeros((10**6, 0, 8, 3), np.uint8)),
        "frames claimed": deflated(frames=npy((10**15, 8, 8, 3))),
        "frames of huge numbers": deflated(frames=npy((10**400, 8, 8, 3))),
        "frames negative": deflated(frames=npy((-4, -8, 8, 3), values=bytes(768))),
        "objects": npz(frames=np.array([{}] * 4, object)),
    }


def overlapping():
    """A zip whose thousand entries are one and the same megabyte of zeros."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", bytes(2**20))
        for number in range(1, 1000):
            twin = zipfile.ZipInfo(f"{number}.png")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(twin, name, getattr(archive.filelist[0], name))
            archive.filelist.append(twin)
    return data.getvalue()


def bombs():
    good = picture(paint(0))
    made = {**pictures(), **arrays(), "overlapping": overlapping()}
    zeros = zipped([("0.png", bytes(2**27))], zipfile.ZIP_DEFLATED)
    made["zeros"] = zeros
    made["zip of zips"] = zipped([(f"{number}.zip", zeros) for number in range(20)])
    made["gzip"] = gzip.compress(bytes(2**27))
    made["gzip of a clip"] = gzip.compress(encode())
    for name, data in list(made.items()):
        made[f"{name} in a zip"] = zipped([("0.png", data)], zipfile.ZIP_DEFLATED)
        made[f"{name} behind a picture"] = zipped([("0.png", good), ("1.png", data)])
        made[f"{name} as frames.npy"] = deflated(frames=data)
    for name, data in pictures().items():
        made[f"{name}.parts"] = data
    return made


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    if not Path("/proc/self/clear_refs").is_file():
        pytest.skip("needs /proc")
    folder = tmp_path_factory.mktemp("bombs")
    good = {"video": encode(), "picture": picture(paint(0)), "picture.parts": picture(paint(0))}
    for name, data in (good | bombs()).items():
        (folder / name).write_bytes(data)
    command = [sys.executable, "-c", MEASURE, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {name: told for name, told in found.items() if name not in good}


def test_each_bomb_is_refused(measured):
    statuses = {name: told[0][0] for name, told in measured.items()}
    wrong = {name: status for name, status in statuses.items() if status not in {400, 413, 415}}
    assert not wrong


def test_no_bomb_takes_memory(measured):
    assert not {name: grown for name, (_, grown, _) in measured.items() if grown > ALLOWED_MIB}


def test_no_bomb_takes_time(measured):
    assert not {name: seconds for name, (*_, seconds) in measured.items() if seconds > ALLOWED_S}
