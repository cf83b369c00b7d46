"""The npz of an answer: written without numpy, read with it."""

from __future__ import annotations

import io
import json
import time
import zipfile

import numpy as np
import pytest
from tests.unit.render.made import answer, saliency

from videovisual.protocol import Answer, Array
from videovisual.protocol.npz import to_npz
from videovisual.saliency import Saliency


def test_numpy_reads_what_the_answer_says() -> None:
    made = [saliency(signed=True, times=[0.0, 0.5], text="…"), saliency(), saliency(signed=True)]
    maps = [made[0].polarised("negative"), made[1], made[2].polarised("positive")]
    told = answer(*maps, label="wäving")
    with np.load(io.BytesIO(to_npz(told)), allow_pickle=False) as arrays:
        found = dict(arrays)
    assert list(found) == [
        *("map", "signed", "diagnostics", "provenance", "signed_map"),
        *("map_1", "map_2", "signed_map_2", "curve", "answer"),
    ]
    for index, one in enumerate(maps):
        suffix = f"_{index}" if index else ""
        np.testing.assert_array_equal(found[f"map{suffix}"], one.map, strict=True)
        if one.signed_map is not None:
            np.testing.assert_array_equal(found[f"signed_map{suffix}"], one.signed_map, strict=True)
    np.testing.assert_allclose(found["curve"], maps[0].curve(), atol=1e-6)
    assert found["curve"].dtype == np.float32
    assert json.loads(str(found["answer"]))["predictions"][0]["label"] == "wäving"
    assert "map" not in json.loads(str(found["answer"]))["explanations"][0]


def test_values_begin_where_the_format_wants_them() -> None:
    made = saliency()
    with zipfile.ZipFile(io.BytesIO(to_npz(answer(made)))) as archive:
        assert (archive.getinfo("map.npy").file_size - made.map.nbytes) % 64 == 0


@pytest.mark.parametrize("signed", [False, True])
def test_it_is_the_saliencys_own_npz_and_more(signed: bool) -> None:
    made = saliency(signed=signed, times=[0.0, 0.5], steps=3, text="…")
    back = Saliency.from_npz(to_npz(answer(made)))
    assert back.to_npz() == made.to_npz()


def test_the_same_answer_gives_the_same_bytes_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    told = answer(saliency())
    before = to_npz(told)
    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((2030, *[1] * 8)))
    assert to_npz(told) == before


@pytest.mark.parametrize(
    "change",
    [{"base64": "AAA"}, {"base64": "AAAA"}, {"dtype": "object"}, {"shape": (6, 16, 15)}],
    ids=lambda change: next(iter(change)),
)
def test_a_map_that_is_broken_is_not_written(change: dict[str, object]) -> None:
    told = answer(saliency())
    broken = told.explanations[0].map.model_copy(update=change)
    assert isinstance(broken, Array)
    told = Answer.model_validate(
        told.model_dump() | {"explanations": [told.explanations[0].model_dump() | {"map": broken}]}
    )
    with pytest.raises(ValueError, match=r"padding|no float32|no map's dtype"):
        to_npz(told)
