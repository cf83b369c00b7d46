"""Seeded video files of every container, codec and way of being shown, made by the ffmpeg tool."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from tests.unit.clips.crops import with_clap, with_pixel_crop
from tests.unit.clips.makers import paint

WIDTH, HEIGHT = 64, 48
CODECS = {
    # encoder: containers, pixel formats, whether it reorders, its quickest settings
    "libx264": (
        ("mp4", "mov", "mkv", "avi", "ts", "m2ts", "3gp", "f4v"),
        ("yuv420p", "yuv444p", "yuvj420p", "yuv420p10le", "gray"),
        True,
        "-preset ultrafast -crf 12",
    ),
    "libx265": (
        ("mp4", "mov", "mkv", "ts"),
        ("yuv420p", "yuv420p10le"),
        True,
        "-preset ultrafast -crf 12",
    ),
    "mpeg4": (("mp4", "avi", "mkv", "3gp", "mov"), ("yuv420p",), True, "-q:v 3"),
    "libxvid": (("avi", "mkv", "mp4"), ("yuv420p",), True, "-q:v 3"),
    "mpeg2video": (
        ("ts", "mpg", "vob", "mkv", "mp4", "m2ts"),
        ("yuv420p", "yuv422p"),
        True,
        "-q:v 3",
    ),
    "mpeg1video": (("mpg", "mkv"), ("yuv420p",), True, "-q:v 3"),
    "libvpx": (("webm", "mkv"), ("yuv420p",), False, "-deadline realtime -cpu-used 8 -b:v 1M"),
    "libvpx-vp9": (
        ("webm", "mkv", "mp4"),
        ("yuv420p", "yuv444p"),
        False,
        "-deadline realtime -cpu-used 8 -b:v 1M",
    ),
    "libsvtav1": (("mp4", "webm", "mkv"), ("yuv420p", "yuv420p10le"), False, "-preset 13 -crf 20"),
    "mjpeg": (("avi", "mkv", "mov"), ("yuvj420p", "yuvj444p"), False, "-q:v 3"),
    "ffv1": (("mkv", "avi"), ("yuv420p", "bgr0", "gray"), False, ""),
    "rawvideo": (("avi", "mov"), ("bgr24", "pal8"), False, ""),
    "prores_ks": (("mov",), ("yuv422p10le",), False, ""),
    "wmv2": (("wmv", "avi"), ("yuv420p",), False, "-q:v 3"),
    "msmpeg4": (("avi", "wmv"), ("yuv420p",), False, "-q:v 3"),
    "gif": (("gif",), ("pal8",), False, ""),
}
HDR = ("libx265", "libsvtav1", "libx264")
_ONE_HEADER = ("mpeg4", "libxvid", "ffv1", "wmv2", "msmpeg4")
"""Their sizes are in the container's header alone, which has one for all."""

STARTS = ("whole", "cut", "twice", "resized")
"""All packets; without the first; two joined; two of different sizes joined."""

CROPS = {(0, 0, 0, 0): 3, (4, 2, 0, 0): 1, (0, 0, 6, 4): 1, (2, 4, 8, 6): 1}
ASPECTS = ("1", "1", "1", "4/3", "8/9", "16/11", "1/2", "64/45")
MATRICES = ("smpte170m", "bt709", "unknown", "bt2020nc")


@dataclass(frozen=True)
class Case:
    """One file of the matrix."""

    seed: int
    codec: str
    container: str
    pixels: str
    count: int = 16
    gop: int = 8
    b_frames: int = 0
    open_gop: bool = False
    start: str = "whole"
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    rotation: int = 0
    flip: bool = False
    aspect: str = "1"
    matrix: str = "unknown"
    is_full: bool = False
    transfer: str = ""

    def __str__(self) -> str:
        changes = [
            f"{name}={value}"
            for name, value in vars(self).items()
            if name not in ("seed", "codec", "container", "pixels")
            and value != getattr(Case(0, "", "", ""), name)
        ]
        return f"{self.seed}-{self.codec}-{self.container}-{self.pixels}-{','.join(changes)}"


def cases(count: int) -> list[Case]:
    """The first `count` cases: codecs and containers in turn, the rest drawn at random."""
    pairs = [(codec, kind) for codec, entry in CODECS.items() for kind in entry[0]]
    return [_case(seed, *pairs[seed % len(pairs)]) for seed in range(count)]


def _case(seed: int, codec: str, container: str) -> Case:
    draw = random.Random(seed)
    _, pixels, reorders, _ = CODECS[codec]
    case = Case(
        seed,
        codec,
        container,
        draw.choice(pixels),
        count=draw.randint(12, 24),
        gop=draw.choice((1, 5, 8, 12, 50)) if reorders else draw.choice((1, 8)),
        b_frames=draw.choice((0, 1, 2, 3)) if reorders and container != "3gp" else 0,
        open_gop=draw.random() < 0.3,
        start=draw.choice(STARTS) if draw.random() < 0.4 else "whole",
        aspect=draw.choice(ASPECTS),
        matrix=draw.choice(MATRICES),
        is_full=draw.random() < 0.2,
    )
    if codec == "libxvid":
        # With short groups this encoder writes damaged keyframes.
        case = replace(case, b_frames=min(case.b_frames, 2), gop=50)
    if codec in ("gif", "rawvideo", "ffv1", "prores_ks") or case.pixels in ("bgr24", "pal8"):
        case = replace(case, matrix="unknown", is_full=False)
    if codec in ("gif", "rawvideo"):
        case = replace(case, start="whole", aspect="1")
    if case.start == "cut" and container in ("mpg", "vob"):
        case = replace(case, start="whole")
    if case.start == "resized" and codec in _ONE_HEADER:
        case = replace(case, start="twice")
    if case.start == "cut" and codec in ("mpeg4", "libxvid"):
        # FFmpeg shows the first picture twice if it is missing one to predict from.
        case = replace(case, b_frames=0)
    if container in ("mp4", "mov", "mkv", "3gp", "f4v", "webm") and codec != "rawvideo":
        case = replace(case, rotation=draw.choice((0, 0, 90, 180, 270)), flip=draw.random() < 0.15)
    if container in ("mkv", "webm", "mp4", "mov") and codec != "rawvideo":
        case = replace(case, crop=draw.choices(list(CROPS), list(CROPS.values()))[0])
    if codec in HDR and draw.random() < 0.15 and case.start == "whole":
        transfer = draw.choice(("smpte2084", "arib-std-b67"))
        case = replace(
            case, transfer=transfer, pixels="yuv420p10le", matrix="bt2020nc", is_full=False
        )
    return case


def ffmpeg(*arguments: object, stdin: bytes | None = None) -> bytes:
    """Run the ffmpeg tool, and return what it writes to its output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"]
    done = subprocess.run(
        [*command, "-threads", "1", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-800:])
    return done.stdout


def make(case: Case, folder: Path) -> Path:
    """Write a case's file."""
    plain = folder / f"plain.{case.container}"
    _encode(case, plain, (WIDTH, HEIGHT), 0)
    if case.start == "cut":
        made = folder / f"cut.{case.container}"
        _without_first(plain, made)
    elif case.start in ("twice", "resized"):
        size = (WIDTH + 16, HEIGHT + 16) if case.start == "resized" else (WIDTH, HEIGHT)
        other = folder / f"other.{case.container}"
        _encode(replace(case, b_frames=0, gop=6, open_gop=True), other, size, 100)
        made = folder / f"joined.{case.container}"
        _join(plain, other, made, folder)
    else:
        made = plain
    return _shown(case, made, folder) if case.rotation or case.flip or any(case.crop) else made


def picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """A frame with its number, and a coloured lower half of which no two quarters are alike."""
    width, height = size
    frame = paint(number, width, height)
    frame[height // 2 :, : width // 2] = (200, 60, 40)
    frame[3 * height // 4 :, width // 2 :] = (60, 160, 70)
    return frame


def _encode(case: Case, path: Path, size: tuple[int, int], first: int) -> None:
    quick = CODECS[case.codec][3].split()
    raw = b"".join(picture(first + number, size).tobytes() for number in range(case.count))
    tags = [f"setsar={case.aspect}"]
    if case.transfer:
        tags += [
            "format=gbrp",
            "setparams=colorspace=gbr:range=pc:color_trc=bt709:color_primaries=bt709",
            "zscale=t=linear:npl=203,format=gbrpf32le",
            f"zscale=p=2020:t={case.transfer}:m=2020_ncl:r=tv:npl=203,format={case.pixels}",
        ]
        tags += [f"setparams=color_primaries=bt2020:color_trc={case.transfer}"]
    else:
        levels = "pc" if case.is_full or case.pixels.startswith("yuvj") else "tv"
        known = case.matrix if case.matrix != "unknown" else "smpte170m"
        if case.pixels.startswith("yuv"):
            tags += [f"scale=out_color_matrix={known}:out_range={levels}"]
        tags += [f"format={case.pixels}"]
        if case.pixels.startswith("yuv"):
            tags += [f"setparams=colorspace={case.matrix}:range={levels}"]
    reorder = ["-bf", case.b_frames, "-g", case.gop] if CODECS[case.codec][2] else ["-g", case.gop]
    gop = f"keyint={case.gop}:min-keyint={case.gop}:scenecut=0"
    if case.codec == "libx264":
        extra = f"{gop}:open-gop={int(case.open_gop)}:b-adapt=0"
        reorder += ["-x264-params", extra]
    if case.codec == "libx265":
        extra = f"{gop}:open-gop={int(case.open_gop)}:log-level=none:pools=none:frame-threads=1"
        reorder += ["-x265-params", f"{extra}:b-adapt=0"]
    if case.codec in ("gif", "rawvideo", "ffv1", "prores_ks"):
        reorder = []
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", 25]
    strict = [] if case.codec == "rawvideo" else ["-strict", "unofficial"]
    form = {"f4v": ["-f", "mp4"], "m2ts": ["-f", "mpegts"]}.get(case.container, [])
    if case.container == "m2ts":
        form += ["-mpegts_m2ts_mode", 1]
    filters = ["-vf", ",".join(tags), "-c:v", case.codec]
    if case.codec == "gif":
        filters = ["-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-c:v", "gif"]
    ffmpeg(*source, "-i", "-", *filters, *quick, *reorder, *strict, *form, path, stdin=raw)


def _without_first(path: Path, made: Path) -> None:
    """Cut the first packets off, so that the file begins within a group of pictures."""
    drop = ["-c", "copy", "-copyinkf", "-bsf:v", "noise=amount=0:drop=lt(n\\,3)"]
    ffmpeg("-i", path, *drop, "-f", _muxer(made), made)


def _join(first: Path, second: Path, made: Path, folder: Path) -> None:
    if made.suffix in (".ts", ".m2ts", ".mpg", ".vob"):
        made.write_bytes(first.read_bytes() + second.read_bytes())
        return
    parts = folder / "parts.txt"
    parts.write_text(f"file '{first}'\nfile '{second}'\n")
    form = ["-f", _muxer(made)]
    ffmpeg("-f", "concat", "-safe", 0, "-i", parts, "-c", "copy", *form, made)


def _muxer(path: Path) -> str:
    names = {"mkv": "matroska", "ts": "mpegts", "m2ts": "mpegts", "f4v": "mp4", "wmv": "asf"}
    suffix = path.suffix[1:]
    return names.get(suffix, {"mpg": "mpeg"}.get(suffix, suffix))


def _shown(case: Case, path: Path, folder: Path) -> Path:
    """Write how a file is to be shown into its container."""
    made = folder / f"shown.{case.container}"
    turn = ["-display_rotation", case.rotation] if case.rotation else []
    turn += ["-display_hflip"] if case.flip else []
    is_matroska = case.container in ("mkv", "webm")
    copy = ["-copyinkf", "-c", "copy", "-f", _muxer(made)]
    plain = ["-write_crc32", 0, "-"] if is_matroska else [made]
    copied = ffmpeg(*turn, "-i", path, *copy, *plain)
    data = copied or made.read_bytes()
    if any(case.crop):
        data = with_pixel_crop(data, case.crop) if is_matroska else with_clap(data, case.crop)
    made.write_bytes(data)
    return made
