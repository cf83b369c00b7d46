from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from videovisual.attribution import catalogue
from videovisual.errors import InvalidParameter, UnknownMethod, UnknownOutput
from videovisual.protocol import Array, Output, split_options


def test_what_is_no_option_is_the_methods() -> None:
    options, rest = split_options({"method": "ig", "top_k": "3", "steps": "7"})
    assert (options.method, options.top_k, rest) == (("ig",), 3, {"steps": "7"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ironing", ("ironing",)),
        ("dancing, slowly", ("dancing, slowly",)),
        (7, (7,)),
        ("7", ("7",)),
        (np.int64(7), (7,)),
        ('["a", 3]', ("a", 3)),
        ("[7]", (7,)),
        ('["7"]', ("7",)),
        (["a", 3], ("a", 3)),
        (["[7]"], ("[7]",)),
        ("[nothing]", ("[nothing]",)),
        ("[1.5]", ("[1.5]",)),
        ("[true]", ("[true]",)),
        ("[]", ("[]",)),
        ('"quoted"', ('"quoted"',)),
        ('{"a": 1}', ('{"a": 1}',)),
        ("null", ("null",)),
        ("[" * 9999, ("[" * 9999,)),
    ],
)
def test_targets(given: object, expected: tuple[str | int, ...]) -> None:
    assert split_options({"target": given})[0].target == expected


@pytest.mark.parametrize(
    "given",
    [
        {"top_k": "0"},
        {"timeout_s": "-1"},
        {"timeout_s": "nan"},
        {"timeout_s": "1_000"},
        {"seed": "1_0"},
        {"seed": "-3"},
        {"priority": "9"},
        {"target": []},
        {"target": True},
        {"target": 1.0},
        {"target": [None]},
        {"target": [["a"]]},
        {"target": '["1","2","3","4","5","6","7","8","9"]'},
        {"start_s": "inf"},
        {"polarity": "neutral"},
    ],
)
def test_values_out_of_range_are_named(given: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        split_options(given)
    (name,) = given
    assert caught.value.detail["parameter"] == name
    assert name in caught.value.message


def test_an_unknown_output_lists_all() -> None:
    with pytest.raises(UnknownOutput) as caught:
        split_options({"output": "pdf"})
    assert caught.value.detail["allowed"] == [output.value for output in Output]


def test_an_array_survives_json() -> None:
    array = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    back = Array.model_validate_json(Array.of(array).model_dump_json()).to_numpy()
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("grad", "gradient"),
        ("grad*input", "gradient_x_input"),
        ("integrated_grad", "integrated_gradients"),
        ("Grad-CAM", "grad_cam"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert catalogue.find(alias).name == name


def test_an_unknown_method_names_the_near_ones() -> None:
    with pytest.raises(UnknownMethod) as caught:
        catalogue.find("integrated_gradient")
    assert caught.value.detail["nearest"][0] == "integrated_gradients"


def test_an_unknown_parameter_names_those_there_are() -> None:
    with pytest.raises(InvalidParameter, match=r"no parameter 'stepz'.*steps"):
        catalogue.find("ig").parse({"stepz": 3})


@pytest.mark.parametrize(
    ("method", "given"),
    [("ig", {"steps": "1_0"}), ("ep_3d", {"area": "0.1_0"}), ("ep_3d", {"area": ["0.1_0"]})],
)
def test_a_parameter_has_no_underscore_in_a_number(method: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="no _ between its digits"):
        catalogue.find(method).parse(given)


def test_protocol_and_render_need_no_torch() -> None:
    code = (
        "import sys; import videovisual, videovisual.protocol, videovisual.render; "
        "import videovisual_client; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
