"""Results: decoded on access, compared, pickled."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from tests.unit.client.fake_server import answer

from videovisual.errors import WriteError
from videovisual.protocol import Array
from videovisual_client import Explained, Partial

MAP = np.arange(8, dtype=np.float32).reshape(2, 2, 2)


def broken(array: Array) -> Array:
    return array.model_copy(update={"base64": array.base64[:-8]})


def test_a_saliency_is_decoded_once_and_pickled() -> None:
    result, other = Explained(answer(), "clip.mp4"), Explained(answer(), "clip.mp4")
    np.testing.assert_array_equal(result.saliency.map, MAP)
    assert result.saliency is result.saliency
    for same in (other, pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert same == result
        np.testing.assert_array_equal(same.saliency.map, MAP)


def test_a_partial_map_is_decoded_once_and_pickled() -> None:
    partial = Partial("step", "ironing", Array.of(MAP), 3)
    np.testing.assert_array_equal(partial.map, MAP)
    assert partial.map is partial.map
    back = pickle.loads(pickle.dumps(partial))
    assert back == partial
    np.testing.assert_array_equal(back.map, MAP)
    assert "base64" not in repr(partial)


def test_a_broken_map_fails_when_it_is_decoded() -> None:
    changed = answer()
    changed.explanations[0].map = broken(changed.explanations[0].map)
    result = Explained(changed, "clip.mp4")
    assert result.predictions
    with pytest.raises(ValueError, match="buffer size"):
        _ = result.saliency
    with pytest.raises(ValueError, match="buffer size"):
        _ = Partial("step", "ironing", broken(Array.of(MAP)), 3).map


def test_where_nothing_can_be_written_nothing_is_drawn(tmp_path: Path) -> None:
    """Drawing takes seconds; here it would fail, because there is no clip."""
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="is a file"):
        Explained(answer(), str(tmp_path / "gone.mp4")).save(tmp_path / "file" / "x.png")
