"""The option `as_shown`, from every door to the provenance and the pictures."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tests.unit.clips.makers import encode_frames, paint

import videovisual
from videovisual_client import Explained
from videovisual_client.cli import main
from videovisual_client.local import Local

MODEL = "tsm-motion"
WIDTH, HEIGHT = 96, 64
SHOWN = {"sample_aspect": "2:1", "rotation": 270}
STORED = {"as_shown": False}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pixels of 2:1, turned: 32×96 as shown."""

    def prepare(stream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        stream.set_display_rotation(90)

    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    path.write_bytes(encode_frames([paint(n, WIDTH, HEIGHT) for n in range(20)], prepare=prepare))
    return path


@pytest.mark.parametrize(("as_shown", "told"), [(True, SHOWN), (False, STORED)])
def test_every_door_takes_it_and_tells_it(clip: Path, as_shown: bool, told: object) -> None:
    size = (32, 96) if as_shown else (WIDTH, HEIGHT)
    answer = videovisual.classify(MODEL, clip, as_shown=as_shown)
    windows = videovisual.classify(MODEL, clip, as_shown=as_shown, views=2)
    saliency = videovisual.explain(MODEL, clip, method="gradient", as_shown=as_shown)
    with Local("cpu") as local:
        explained = local.explain(clip, model=MODEL, method="gradient", as_shown=as_shown)
        frames = explained.source_frames()
    sources = [
        answer.clip["source"],
        windows.clip["source"],
        saliency.provenance["source"],
        explained.saliency.provenance["source"],
    ]
    for source in sources:
        assert (source["width"], source["height"]) == size
        assert source["shown"] == told
    assert frames.shape[1:] == (size[1], size[0], 3)
    np.testing.assert_array_equal(explained.saliency.map, saliency.map)


@pytest.mark.parametrize(("as_shown", "told"), [(True, SHOWN), (False, STORED)])
def test_bytes_are_shown_as_their_file_is(clip: Path, as_shown: bool, told: object) -> None:
    """A clip in memory is opened by other lines than a path, in the library and for a picture."""
    answer = videovisual.classify(MODEL, clip.read_bytes(), as_shown=as_shown)
    assert answer.clip["source"]["shown"] == told
    with Local("cpu") as local:
        explained = local.explain(
            clip.read_bytes(), model=MODEL, method="gradient", as_shown=as_shown
        )
    np.testing.assert_array_equal(
        explained.source_frames(), Explained(explained.answer, clip).source_frames()
    )


def test_command(clip: Path, tmp_path: Path) -> None:
    shapes = []
    for extra in ([], ["--as-stored"]):
        output = tmp_path / f"{len(extra)}.png"
        arguments = ["explain", clip, "--model", MODEL, "--method", "gradient", "-o", output]
        done = CliRunner().invoke(main, [*map(str, arguments), "--local", *extra])
        assert done.exit_code == 0, done.output
        shapes.append(Image.open(output).size)
    assert shapes[0] != shapes[1]
