from __future__ import annotations

import numpy as np
import pytest
from tests.unit.render.made import saliency

from videovisual.render import Heat
from videovisual.render.legend import bar, end_labels


def row(*, signed: bool) -> np.ndarray:
    return np.asarray(bar(Heat.of(saliency(signed=signed)), 101, 3)).astype(int)[1]


def test_a_signed_maps_legend_goes_from_blue_over_light_to_red() -> None:
    colours = row(signed=True)
    (left, middle, right) = colours[0], colours[50], colours[-1]
    assert left[2] > left[0] + 100
    assert right[0] > right[2] + 100
    assert middle.min() > 230
    assert end_labels(Heat.of(saliency(signed=True)))[0].startswith("against -")


def test_an_unsigned_maps_legend_only_gets_lighter() -> None:
    light = row(signed=False) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) > -1).all()
    assert light[-1] > light[0] + 150
    low, full = end_labels(Heat.of(saliency()))
    assert float(low) == 0
    assert float(full) == pytest.approx(Heat.of(saliency()).full, rel=0.01)
