"""Forms in pieces of any size."""

from __future__ import annotations

import pytest

pytest.importorskip("python_multipart", reason="needs the extra `asgi`")

from videovisual.errors import InvalidRequest, TooLarge
from videovisual.server.asgi.form import Form, urlencoded

KIND = "multipart/form-data; boundary=edge"


def part(name: str, value: bytes, *more: str) -> bytes:
    head = "\r\n".join((f'--edge\r\nContent-Disposition: form-data; name="{name}"', *more))
    return head.encode() + b"\r\n\r\n" + value + b"\r\n"


WHOLE = (
    part("target", b"1")
    + part("video", b"--edg\r\n\x00\xff" * 50, "Content-Type: video/mp4")
    + part("target", "größer".encode())
    + b"--edge--\r\n"
)


def parts(body: bytes, size: int, most: int = 10) -> dict[str, object]:
    form = Form(KIND, most)
    for start in range(0, len(body), size):
        form.write(body[start : start + size])
    return form.parts()


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_the_size_of_the_pieces_makes_no_difference(size: int) -> None:
    found = parts(WHOLE, size)
    assert found == {"target": [b"1", "größer".encode()], "video": b"--edg\r\n\x00\xff" * 50}


BROKEN = {
    "breaks off": part("video", b"x"),
    "no name": b"--edge\r\nContent-Disposition: form-data\r\n\r\nx\r\n--edge--\r\n",
    "no disposition": b"--edge\r\nX: y\r\n\r\nx\r\n--edge--\r\n",
    "another boundary": b"--other\r\n\r\nx\r\n--other--\r\n",
    "no form": b"\x00\x01 a clip",
    "endless header": b"--edge\r\nX: " + b"y" * 100_000,
    "many headers": b"--edge\r\n" + b"X: y\r\n" * 100,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="no valid form"):
        parts(body, 1000)


@pytest.mark.parametrize("kind", ["multipart/form-data", f"{KIND}{'e' * 1000}"])
def test_a_boundary_is_needed(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="no valid form"):
        Form(kind, 1)


def test_too_many_parts_are_refused_while_they_come() -> None:
    form = Form(KIND, 2)
    form.write(part("a", b"") + part("b", b""))
    with pytest.raises(TooLarge, match="more than 2 parts"):
        form.write(part("c", b""))


def test_what_curl_calls_a_form() -> None:
    assert urlencoded(b"cancel=x&target=1&target=2&data=%ff%00") == {
        "cancel": b"x",
        "target": [b"1", b"2"],
        "data": b"\xff\x00",
    }
    assert urlencoded(b"\x00\x00\x00\x18ftypmp42=1") == {"\x00\x00\x00\x18ftypmp42": b"1"}
    for clip in (b"GIF89a\xff", b"no form at all", b"&".join([b"a=b"] * 2000)):
        assert urlencoded(clip) is None
