"""Leaves that are not written yet, because it is not known yet who is linked with whom: in a file meanwhile."""

from __future__ import annotations

import os
import tempfile
import weakref

import msgspec

from vfs.errors import Corrupt
from vfs.files.translate import local_error
from vfs.tree.leaf import Leaf
from vfs.tree.pages import decode_page


class Sections(msgspec.Struct, frozen=True, array_like=True):
    """The sections of a page."""

    logical: bytes
    location: bytes


class Held:
    """Leaves by number. The file has no name, and goes with this object. Errors: LocalIOError, LocalFull."""

    def __init__(self) -> None:
        self._fd = -1
        self._end = 0
        self._places: dict[int, tuple[int, int]] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def numbers(self) -> list[int]:
        """The numbers of all leaves that are held."""
        return list(self._places)

    def hold(self, number: int, sections: tuple[bytes, bytes]) -> None:
        """Keep a leaf."""
        data = msgspec.msgpack.encode(sections)
        self._places[number] = (self._end, len(data))
        try:
            if self._fd < 0:
                self._open()
            while data:
                written = os.pwrite(self._fd, data, self._end)
                self._end += written
                data = data[written:]
        except OSError as error:
            raise local_error(tempfile.gettempdir(), "written", error) from error

    def _open(self) -> None:
        self._fd, path = tempfile.mkstemp(prefix="vfs-")
        weakref.finalize(self, os.close, self._fd)
        os.unlink(path)

    def sections(self, number: int) -> Sections:
        """A leaf as it was given."""
        start, size = self._places[number]
        try:
            data = os.pread(self._fd, size, start)
        except OSError as error:
            raise local_error(tempfile.gettempdir(), "read", error) from error
        return msgspec.msgpack.decode(data, type=Sections)

    def leaf(self, number: int) -> Leaf:
        """A leaf, decoded."""
        leaf = decode_page(self.sections(number), what=f"leaf {number}")
        if not isinstance(leaf, Leaf):
            raise Corrupt(f"leaf {number}: not a leaf")
        return leaf
