"""Replies as bytes."""

import io
import json

import numpy as np
import pytest

from videovisual.clips import open_bytes
from videovisual.errors import TooLarge
from videovisual.server.reply import error_reply


def no_constant(name: str) -> None:
    pytest.fail(f"{name} is no JSON")


@pytest.mark.filterwarnings("ignore:overflow")
def test_an_error_about_infinity_is_json():
    buffer = io.BytesIO()
    np.savez(buffer, frames=np.zeros((16, 8, 8, 3), np.uint8), fps=5e-324)
    with pytest.raises(TooLarge) as caught:
        open_bytes(buffer.getvalue())
    reply = error_reply(caught.value)
    facts = json.loads(reply.body, parse_constant=no_constant)["error"]
    assert facts["detail"]["found"] == "Infinity"
    assert facts["message"] == caught.value.message


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_very_long_time_has_a_short_message():
    buffer = io.BytesIO()
    np.savez(buffer, frames=np.zeros((16, 8, 8, 3), np.uint8), fps=1e-300)
    with pytest.raises(TooLarge, match=r"lasts 1\.6e\+301 s"):
        open_bytes(buffer.getvalue())
