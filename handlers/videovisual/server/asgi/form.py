"""Forms → their parts, while they arrive."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from videovisual.errors import InvalidRequest, TooLarge
from videovisual.server.request import Repeated

MAX_FIELDS = 1000


class Form:
    """A multipart body, given piece by piece.

    Args:
        content_type: of the body, with the boundary.
        max_parts: the most parts that it may have.

    Raises:
        InvalidRequest: there is no boundary.
    """

    def __init__(self, content_type: str, max_parts: int) -> None:
        self._max_parts = max_parts
        self._pairs: list[tuple[str, bytes]] = []
        self._header = self._value = b""
        self._name = ""
        self._data: list[bytes] = []
        self._ended = False
        _, options = parse_options_header(content_type)
        try:
            self._parser = MultipartParser(
                options.get(b"boundary", b""),
                {
                    "on_part_begin": self._begin,
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._more_header,
                    "on_header_value": self._more_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._check_name,
                    "on_part_data": self._more,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise _broken(error) from None
        if not options.get(b"boundary"):
            raise _broken("its Content-Type names no boundary")

    def write(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            InvalidRequest: this is no form, or a part has no name.
            TooLarge: it has too many parts.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _broken(error) from None

    def parts(self) -> dict[str, Any]:
        """All parts by name; several of one name as `Repeated`.

        Raises:
            InvalidRequest: the form breaks off.
        """
        if not self._ended:
            raise _broken("it breaks off before its last boundary")
        return by_name(self._pairs)

    def _begin(self) -> None:
        self._name, self._data = "", []
        if len(self._pairs) == self._max_parts:
            raise TooLarge(
                f"The form has more than {self._max_parts} parts. Send the clip as one file, in "
                "the part `video`.",
                allowed=self._max_parts,
            )

    def _begin_header(self) -> None:
        self._header = self._value = b""

    def _more_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _more_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"").decode("utf-8", "replace")

    def _check_name(self) -> None:
        if not self._name:
            raise _broken("a part has no name")

    def _more(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _end(self) -> None:
        self._pairs.append((self._name, b"".join(self._data)))

    def _finish(self) -> None:
        self._ended = True


def urlencoded(body: bytes) -> Mapping[str, Any] | None:
    """The fields of a form in one line; None if this is another thing, such as a clip.

    curl calls whatever it sends with `--data-binary` such a form.
    """
    try:
        # Latin-1 keeps each byte.
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding="latin-1",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        return None
    return by_name((name, value.encode("latin-1")) for name, value in fields)


def by_name(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Values by their names; several of one name as `Repeated`."""
    found: dict[str, list[Any]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {
        name: Repeated(values) if len(values) > 1 else values[0] for name, values in found.items()
    }


def _broken(why: object) -> InvalidRequest:
    return InvalidRequest(
        f"The body is no valid form: {why}. Send multipart/form-data with a part `video`, or the "
        "video itself as the body."
    )
