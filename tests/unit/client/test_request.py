from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from videovisual.protocol import names_in
from videovisual_client.errors import InvalidTarget
from videovisual_client.request import targets


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("top1", "top1"),
        ("one, two", "one, two"),
        ("2", "2"),
        (2, "[2]"),
        (np.int64(2), "[2]"),
        ("[2]", '["[2]"]'),
        (["a", 2, "[x]"], '["a", 2, "[x]"]'),
        (("café",), '["caf\\u00e9"]'),
    ],
)
def test_names_and_indices_stay_apart(target: Any, field: str) -> None:
    assert targets(target) == field
    several = target if isinstance(target, list | tuple) else (target,)
    assert names_in(field) == tuple(several)


@pytest.mark.parametrize("target", [True, 1.5, None, [b"a"], {"a": 1.5}.values()])
def test_what_is_no_target_is_the_client_s_own_error(target: Any) -> None:
    with pytest.raises(InvalidTarget, match="is no target"):
        targets(target)
