import hashlib
import io
import struct
import zipfile

import numpy as np
import pytest
from tests.unit.clips.makers import npz, patched, zipped

from videovisual.clips import Limits, Sampling, open_bytes, open_frames, sample
from videovisual.errors import InvalidParameter, MalformedClip, TooLarge, UnsupportedMedia


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(frames, save):
    buffer = io.BytesIO()
    save(buffer, frames=frames)
    source = open_bytes(buffer.getvalue())
    assert (source.info.format, source.info.frame_count) == ("npz", 12)
    assert (source.info.width, source.info.height) == (64, 48)
    assert source.info.sha256 == hashlib.sha256(buffer.getvalue()).hexdigest()
    assert source.times is None
    np.testing.assert_array_equal(source.read(range(12)), frames)
    np.testing.assert_array_equal(source.read([11, 3, 3]), frames[[11, 3, 3]])


@pytest.mark.parametrize("fps", [4, 4.0, np.float32(4), np.array([4])])
def test_npz_with_a_rate(frames, fps):
    source = open_bytes(npz(frames=frames, fps=fps))
    np.testing.assert_allclose(source.times, np.arange(12) / 4)
    assert (source.info.duration_s, source.info.fps) == (3.0, 4.0)
    (clip,) = sample(source, Sampling(2, start_s=1.0, end_s=2.0))
    assert clip.indices == (5, 7)


def test_npz_with_timestamps(frames):
    stamps = 7.0 + np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 30.0])
    source = open_bytes(npz(frames=frames, timestamps=stamps))
    np.testing.assert_allclose(source.times, stamps - 7)
    assert source.info.duration_s == 31.0
    (clip,) = sample(source, Sampling(4))
    assert clip.indices == (3, 10, 10, 10)
    assert clip.timestamps == (3.0, 10.0, 10.0, 10.0)


def test_npz_of_highly_compressible_frames():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, frames=np.zeros((200, 96, 128, 3), np.uint8))
    assert len(buffer.getvalue()) < 200 * 96 * 128 * 3 / 500
    assert open_bytes(buffer.getvalue()).read([199]).max() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 8, 8, 3), np.float32),
        np.zeros((4, 8, 8, 3), np.int8),
        np.zeros((4, 3, 8, 8), np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((4, 8, 8, 4), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((4, 0, 8, 3), np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{list(array.shape)}",
)
def test_frames_of_another_dtype_or_shape(wrong):
    with pytest.raises(MalformedClip, match=r"uint8 \[T, H, W, 3\]"):
        open_bytes(npz(frames=wrong))
    with pytest.raises(InvalidParameter, match=r"uint8 \[T, H, W, 3\]"):
        open_frames(wrong)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"fps": 0.0}, "positive"),
        ({"fps": -4}, "positive"),
        ({"fps": np.nan}, "positive"),
        ({"fps": np.inf}, "positive"),
        ({"fps": [4, 4]}, "one positive"),
        ({"fps": "4"}, "one positive"),
        ({"fps": 4 + 1j}, "one positive"),
        ({"timestamps": np.arange(11.0)}, "12 finite seconds"),
        ({"timestamps": np.arange(24.0).reshape(12, 2)}, "12 finite seconds"),
        ({"timestamps": 0.5}, "12 finite seconds"),
        ({"timestamps": np.zeros(12)}, "greater than"),
        ({"timestamps": -np.arange(12.0)}, "greater than"),
        ({"timestamps": np.where(np.arange(12) == 5, np.nan, np.arange(12))}, "finite"),
        ({"timestamps": np.where(np.arange(12) == 11, np.inf, np.arange(12))}, "finite"),
        ({"fps": 4, "timestamps": np.arange(12.0)}, "one of them"),
    ],
)
def test_times_that_make_no_sense(frames, extra, message):
    with pytest.raises(MalformedClip, match=message):
        open_bytes(npz(frames=frames, **extra))


def test_objects_are_never_unpickled(frames):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    objects = npy(np.array([Trap()], dtype=object))
    for name in ("frames", "fps", "timestamps"):
        members = {"frames.npy": npy(frames), f"{name}.npy": objects}
        with pytest.raises(MalformedClip, match=f"{name}.*objects"):
            open_bytes(zipped(members.items()))


def test_other_arrays_are_ignored(frames):
    assert open_bytes(npz(frames=frames, label="ironing")).info.frame_count == 12


def test_npz_without_frames(frames):
    with pytest.raises(MalformedClip, match=r"no `frames`, but video\.npy"):
        open_bytes(npz(video=frames))


def test_bare_npy(frames):
    with pytest.raises(UnsupportedMedia):
        open_bytes(npy(frames))


def test_fortran_order(frames):
    with pytest.raises(MalformedClip, match="ascontiguousarray"):
        open_bytes(npz(frames=np.asfortranarray(frames)))


def claim(frames, shape):
    """An npz whose header claims another shape than it holds."""
    held = npy(frames)
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    size = struct.unpack_from("<H", held, 8)[0]
    return zipped([("frames.npy", patched(held, 10, text.encode().ljust(size)))])


@pytest.mark.parametrize(
    "shape", [(13, 48, 64, 3), (11, 48, 64, 3), (10**9, 60000, 60000, 3), (-12, 48, 64, -3)]
)
def test_header_that_claims_another_size(frames, shape):
    with pytest.raises(MalformedClip):
        open_bytes(claim(frames, shape))
    assert open_bytes(claim(frames, frames.shape)).info.frame_count == 12


@pytest.mark.parametrize("version", [(2, 0), (3, 0)])
def test_header_of_a_later_version_is_not_read(frames, version):
    """Its length has 32 bits, of which no frames need more than the first."""
    with pytest.raises(MalformedClip, match="version"):
        open_bytes(zipped([("frames.npy", npy(frames, version=version))]))


def test_header_that_is_no_header(frames):
    for text in (b"(" * 60, b"{'descr': '|u1'}", b"__import__('os').abort()", b"\xff" * 60):
        with pytest.raises(MalformedClip):
            open_bytes(zipped([("frames.npy", patched(npy(frames), 10, text))]))


def test_damaged_data(frames):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, frames=frames)
    whole = buffer.getvalue()
    source = open_bytes(patched(whole, len(whole) // 2, b"\xff" * 20))
    with pytest.raises(MalformedClip, match="damaged"):
        source.read([11])


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(max_pixels=64 * 48 - 1), "max_pixels"),
        (Limits(max_frames=11), "max_frames"),
        (Limits(max_seconds=2.9), "max_seconds"),
    ],
)
def test_limits(frames, limits, name):
    for opened in (
        lambda: open_bytes(npz(frames=frames, fps=4), limits),
        lambda: open_frames(frames, 4, limits),
    ):
        with pytest.raises(TooLarge) as raised:
            opened()
        assert raised.value.detail["limit"] == name


def test_npz_that_inflates_too_far(frames):
    with pytest.raises(TooLarge, match="inflates"):
        open_bytes(npz(frames=frames), Limits(max_decoded_bytes=frames.nbytes - 1))


def test_frames_in_memory(frames):
    source = open_frames(frames, fps=4.0)
    expected = hashlib.sha256(np.array(frames.shape, "<i8").tobytes() + frames.tobytes())
    assert source.info.sha256 == expected.hexdigest()
    assert (source.info.format, source.info.duration_s, source.info.fps) == ("frames", 3.0, 4.0)
    np.testing.assert_array_equal(source.read([3, 1]), frames[[3, 1]])
    assert open_frames(frames).times is None


def test_frames_that_are_a_view(frames):
    view = frames[::-2, :, ::-1]
    assert open_frames(view).info.sha256 == open_frames(view.copy()).info.sha256
    np.testing.assert_array_equal(open_frames(view).read([1]), view[[1]])


@pytest.mark.parametrize("fps", [0.0, -1.0, np.nan, np.inf])
def test_rate_of_frames_in_memory(frames, fps):
    with pytest.raises(InvalidParameter, match="fps"):
        open_frames(frames, fps=fps)


def test_encrypted_npz(frames):
    whole = npz(frames=frames)
    with pytest.raises(MalformedClip, match="encrypted"):
        open_bytes(patched(whole, whole.index(b"PK\x01\x02") + 8, b"\x01"))


def test_zip_is_read_by_its_directory(frames):
    """A member that isn't listed isn't there."""
    buffer = io.BytesIO(npz(frames=frames))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.filelist.clear()
        archive.NameToInfo.clear()
        archive.writestr("label.npy", npy(np.zeros(1)))
    with pytest.raises(MalformedClip, match="no `frames`"):
        open_bytes(buffer.getvalue())
