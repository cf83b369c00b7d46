"""The order of pictures by their names, and names that are of more than one sequence."""

import random

import pytest

from videovisual.errors import MalformedClip
from videovisual.utils.frame_names import in_order

ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
SECONDS = [(hour, minute, second) for hour in (1, 2) for minute in (58, 59) for second in (1, 30)]

ORDERED = {
    "unpadded": [f"frame{i}.png" for i in range(12)],
    "padded": [f"{i:05}.jpg" for i in range(12)],
    "gaps": [f"{i}.png" for i in (0, 1, 2, 5, 9, 100)],
    "in a folder": [f"a/b/{i}.png" for i in range(12)],
    "seconds": [f"{i * 0.125:g}.png" for i in range(16)],
    "seconds behind a letter": [f"t{i * 0.1:.4g}.png" for i in range(1, 16)],
    "rounded seconds": [f"frame_{i / 30:g}s.png" for i in range(60)],
    "seconds of two decimals": [f"{i * 0.04:.2f}.png" for i in range(300)],
    "decimal comma": [f"{i * 0.04:.2f}".replace(".", ",") + ".png" for i in range(30)],
    "negative": [f"{i}.png" for i in range(-12, 14)],
    "negative behind a word": [f"frame{i}.png" for i in range(-12, 14)],
    "negative decimals": [f"t_{i * 0.5:g}.png" for i in range(-12, 14)],
    "a plus": [f"{i:+d}.png" for i in range(-12, 14)],
    "a dash": [f"frame-{i}.png" for i in range(12)],
    "hexadecimal": [f"{i:04x}.png" for i in range(40)],
    "unpadded hexadecimal": [f"frame_{i:X}.png" for i in range(40)],
    "every 16th hexadecimal": [f"{i:#08x}.png" for i in range(0, 400, 16)],
    "letters": [f"frame_{letter}.png" for letter in "abcdefghij"],
    "upper and lower case": [f"{'IMG' if i % 2 else 'img'}_{i}.png" for i in range(12)],
    "suffixes of one format": [f"IMG_{i}.{'JPG' if i % 2 else 'jpeg'}" for i in range(12)],
    "formats that take turns": ["0.png", "1.jpg", "2.png", "3.webp"],
    "a version and a counter": [f"shot1.{i}.png" for i in range(1, 22)],
    "a version and a counter from 0": [f"shot1.{i}.png" for i in range(22)],
    "Python's floats": [f"{i * 0.1}.png" for i in range(30)],
    "a counter as the suffix": [f"frame.{i:04}" for i in range(12)],
    "constant numbers": [f"cam1_frame{i}_of_12.png" for i in range(12)],
    "UCF101": [f"v_ApplyEyeMakeup_g08_c01_{i:04}.jpg" for i in range(12)],
    "index and time": [f"{i:04}_{i * 0.04:.3f}.png" for i in range(30)],
    "dates": [f"2024-01-31_{h:02}-{m:02}-{s:02}.png" for h, m, s in SECONDS],
    "a phone's bursts": [
        f"IMG_20240131_{h:02}{m:02}{s:02}_{i}.png" for h, m, s in SECONDS for i in range(1, 12)
    ],
    "screenshots": [f"Screenshot 2024-01-31 at {h:02}.{m:02}.{s:02}.png" for h, m, s in SECONDS],
    "VLC": [f"vlcsnap-2024-01-31-{h:02}h{m:02}m{s:02}s123.png" for h, m, s in SECONDS],
    "hours, minutes and seconds": [f"clip {h}h{m}m{s}s.png" for h, m, s in SECONDS],
    "minutes and seconds": [f"{m}m{s:02}s.png" for m in (8, 9, 10) for s in (1, 30)],
    "SMPTE": [f"{h:02}-{m:02}-{s:02}-{i:02}.png" for h, m, s in SECONDS for i in (0, 12)],
    "nanoseconds": [f"{1403636579763555584 + i * 50_000_000}.png" for i in range(20)],
    "Arabic digits": [f"{str(i).translate(ARABIC)}.png" for i in range(12)],
    "full-width digits": [f"f{str(i).translate(FULL_WIDTH)}.png" for i in range(12)],
}


@pytest.mark.parametrize("kind", ORDERED)
def test_names_in_order(kind: str) -> None:
    mixed = ORDERED[kind].copy()
    random.Random(0).shuffle(mixed)
    assert in_order(mixed) == ORDERED[kind]


FRAMES = [f"{i:05}.jpg" for i in range(16)]
SEVERAL = {
    "flow": (
        [*(f"img_{i:05}.jpg" for i in range(16)), *(f"flow_x_{i:05}.jpg" for i in range(15))],
        "img_00000.jpg to img_00015.jpg (16 files), flow_x_00000.jpg to flow_x_00014.jpg (15",
    ),
    "masks of another format": ([*FRAMES, *(f"{i:05}.png" for i in range(16))], "00015.png (16"),
    "masks of some frames": ([*FRAMES, "00003_mask.png"], "00003_mask.png (1 file)"),
    "two cameras": (
        [f"cam{camera}_frame{i}.jpg" for i in range(16) for camera in (1, 2)],
        "cam1_frame0.jpg to cam1_frame15.jpg (16 files), cam2_frame0.jpg",
    ),
    "two cameras by time": (
        [f"20240131_2359{i:02}_cam{camera}.jpg" for i in range(60) for camera in (1, 2)],
        "20240131_235900_cam1.jpg to 20240131_235959_cam1.jpg (60 files)",
    ),
    "left and right": ([f"{i}_{side}.jpg" for i in range(16) for side in "LR"], "15_L.jpg (16"),
    "a subfolder": ([*FRAMES, *(f"thumbs/{i}.jpg" for i in range(3))], "thumbs/2.jpg (3 files)"),
    "two subfolders": ([f"{side}/{i}.jpg" for side in "ab" for i in range(3)], "b/2.jpg (3 files)"),
    "a film beside frames": ([*FRAMES, "all.gif"], "all.gif (1 file)"),
    "a list beside frames": ([*FRAMES, "n_frames"], "n_frames (1 file)"),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_sequences_are_named_and_counted(kind: str) -> None:
    names, message = SEVERAL[kind]
    with pytest.raises(MalformedClip, match="more than one sequence") as raised:
        in_order(names)
    assert message in raised.value.message
    assert raised.value.status == 400


UNCERTAIN = {
    "words": ["first.png", "second.png", "third.png"],
    "hashes": ["d41d8cd98f00b204.png", "0cc175b9c0f1b6a8.png", "92eb5ffee6ae2fec.png"],
    "a minus or a dash": ["-1.png", "-2.png", "-3.png"],
    "decimals or versions": ["1.9.png", "1.11.png", "1.12.png"],
    "numbers that disagree": ["1_77.png", "2_13.png", "3_55.png"],
    "cameras that take turns": [f"cam{i % 2}_{i}.jpg" for i in range(16)],
    "flow of one frame": ["flow_x.png", "flow_y.png"],
    "two spellings of a number": ["1.png", "01.png"],
    "two spellings of a name": ["A1.png", "a1.png"],
    "a number without end": ["1" * 5000 + ".png", "2.png"],
}


@pytest.mark.parametrize("kind", UNCERTAIN)
def test_an_order_that_is_not_certain_is_refused(kind: str) -> None:
    with pytest.raises(MalformedClip) as raised:
        in_order(UNCERTAIN[kind])
    assert len(raised.value.message) < 400


def test_a_message_names_a_few_of_many_sequences() -> None:
    with pytest.raises(MalformedClip, match="and 95 more") as raised:
        in_order(f"{'x' * 300}{i}/{j}.png" for i in range(100) for j in range(2))
    assert len(raised.value.message) < 1200
