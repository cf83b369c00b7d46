"""Zip files from untrusted clients."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Container
from pathlib import PurePosixPath, PureWindowsPath
from tokenize import TokenError
from typing import IO

from videovisual.clips.limits import MIB, Limits
from videovisual.errors import MalformedClip, TooLarge
from videovisual.utils.folder import is_clutter
from videovisual.utils.text import shown

LARGEST_RATIO = 100
"""A picture that inflates more than this many times is refused as a zip bomb."""

RATIO_FREE_BYTES = MIB
"""Pictures that inflate to at most this many bytes are never bombs."""

DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(struct.error, zlib.error, zipfile.BadZipFile, TokenError),
)
"""What zipfile, numpy and Pillow raise on damaged bytes."""

_ENTRY = b"PK\x01\x02"
_ENTRIES_PER_FRAME = 3
_ENCRYPTED = 0x1 | 0x40
_PATCH = 0x20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """The members of a zip file whose names, sizes and methods were checked.

    Folders, files that systems leave behind (`__MACOSX`, `Thumbs.db`, …) and names that begin with
    a dot are left out.

    Args:
        data: the zip file.
        limits: on the number of members and on their inflated bytes.

    Attributes:
        members: the members by name, in the archive's order.

    Raises:
        MalformedClip: not a zip, encrypted, an unsafe name, a name twice, or a method other than
            deflate.
        TooLarge: too many members, or they declare to inflate to more than the limits.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        # zipfile makes an object of every entry, so entries are counted first.
        if data.count(_ENTRY) > _ENTRIES_PER_FRAME * limits.max_frames:
            limits.check_frames(data.count(_ENTRY))
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            message = f"The zip can't be opened, it is cut or damaged: {shown(error, 200)}"
            raise MalformedClip(message) from error
        infos = self._zip.infolist()
        for info in infos:
            _check_name(info.filename)
        self.members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            if not _is_ignored(info):
                _check_single(info.filename, self.members)
                self.members[info.filename] = info
        for info in self.members.values():
            _check_method(info)
        limits.check_frames(len(self.members))
        limits.check_inflated(sum(info.file_size for info in self.members.values()))

    def refuse_bombs(self) -> None:
        """Refuse members that inflate more than any picture.

        Raises:
            TooLarge: a member inflates more than `LARGEST_RATIO` times, and to more than
                `RATIO_FREE_BYTES`.
        """
        for name, info in self.members.items():
            allowed = max(RATIO_FREE_BYTES, LARGEST_RATIO * info.compress_size)
            if info.file_size > allowed:
                raise TooLarge(
                    f"The zip's member {shown(name)!r} inflates from {info.compress_size} to "
                    f"{info.file_size} bytes; at most {allowed} are allowed. Store it "
                    "uncompressed.",
                    member=shown(name),
                )

    def opener(self, name: str) -> Callable[[], IO[bytes]]:
        """A function that opens a member; it never inflates more than the declared size."""
        return lambda: self._zip.open(self.members[name])


def _is_ignored(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename)
    return not path.parts or info.is_dir() or is_clutter(path)


def _check_single(name: str, members: Container[str]) -> None:
    if name in members:
        raise MalformedClip(
            f"The zip has more than one member {shown(name)!r}. Make it again with each name once.",
            member=shown(name),
        )


def _check_name(name: str) -> None:
    windows = PureWindowsPath(name)
    if windows.drive or windows.root or ".." in windows.parts:
        raise MalformedClip(
            f"The zip's member {shown(name)!r} leads out of the archive. Use plain relative names.",
            member=shown(name),
        )


def _check_method(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        fault = "is encrypted. Send it without a password."
    elif info.compress_type not in _METHODS or info.flag_bits & _PATCH:
        fault = "is compressed in a way that is not read. Store it, or deflate it."
    else:
        return
    raise MalformedClip(
        f"The zip's member {shown(info.filename)!r} {fault}", member=shown(info.filename)
    )
