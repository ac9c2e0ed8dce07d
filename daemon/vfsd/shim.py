"""The compiled shim between pyfuse3 and libfuse, loaded before pyfuse3 so that it is found first.

Without it everything works but what `status` names: see `shim.c` for what it adds.
"""

from __future__ import annotations

import ctypes
import os
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).with_name("_shim.so")
# Set to 0, the daemon runs without the shim: for tests of that way, and to rule it out as a cause.
VARIABLE = "VFSD_SHIM"
# Rows of one call that takes reports of opens.
ROWS = 4096


class Columns(NamedTuple):
    """Room for reports of opens, a row each; see `vfs_shim_opens`."""

    inodes: array[int]
    pids: array[int]
    fds: array[int]

    @classmethod
    def make(cls) -> Columns:
        """Room for as many as one call takes."""
        return cls(array("Q", bytes(8 * ROWS)), array("i", bytes(4 * ROWS)), array("i", bytes(4 * ROWS)))


class Listing(NamedTuple):
    """Lines of a listing: inode and cookie of the first, from which they count up, then a value for each line.

    Type and permission bits, size, bytes without holes, mtime in ns.
    """

    inode: int
    cookie: int
    names: Sequence[bytes]
    modes: array[int]
    sizes: array[int]
    occupied: array[int]
    mtimes: array[int]


# What a shim of this version offers: one that was compiled from another is not used.
_NAMES = (
    "vfs_shim_request",
    "vfs_shim_interrupts",
    "vfs_shim_keep_listings",
    "vfs_shim_push",
    "vfs_shim_opens",
    "vfs_shim_lines",
    "vfs_shim_fitted",
    "vfs_shim_look",
)


class Shim:
    """What the shim offers. `missing` says why it is not there; then `request` always gives 0, and the rest is None.

    `push` puts (inode, content) pairs into the page cache and gives the outcome of each as an error number, 0 for done,
    up to the first that is neither that nor ENOENT. `reports` takes reports of opens from a fanotify descriptor into
    columns, as `vfs_shim_opens` says: (descriptor, columns, familiar pids, patience in ns); how many; OSError. `send`
    has all lines of a listing that have room sent by a call that sends one; how many. `look` says whether a request
    comes within some nanoseconds; the session must be open.
    """

    def __init__(self) -> None:
        self.missing = ""
        self.request: Callable[[], int] = lambda: 0
        self.push: Callable[[Sequence[tuple[int, bytes]]], list[int]] | None = None
        self.reports: Callable[[int, Columns, array[int], int], int] | None = None
        self.send: Callable[[Listing, Callable[[], object]], int] | None = None
        self.look: Callable[[int], bool] | None = None
        self._library: ctypes.CDLL | None = None
        self._quick: ctypes.PyDLL | None = None
        if os.environ.get(VARIABLE) == "0":
            self.missing = f"{VARIABLE} is 0"
            return
        try:
            self._library = ctypes.CDLL(str(PATH), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            self.missing = "not compiled" if not PATH.exists() else f"cannot be loaded: {error}"
            return
        if not all(hasattr(self._library, name) for name in _NAMES):
            self._library, self.missing = None, "of another version"
            return
        # Calls through it keep the interpreter: whoever lets go of it for 50 ns may wait for its turn for 0.5 ms.
        self._quick = ctypes.PyDLL(str(PATH))
        self._quick.vfs_shim_request.restype = ctypes.c_uint64
        self._quick.vfs_shim_fitted.restype = ctypes.c_size_t
        self._library.vfs_shim_push.restype = ctypes.c_size_t
        self._library.vfs_shim_opens.restype = ctypes.c_long
        self.request = self._quick.vfs_shim_request
        self.push, self.reports, self.send, self.look = self._push, self._reports, self._send, self._look

    def report_interrupts(self, fd: int) -> None:
        """Have number and thread id of interrupted requests written to `fd`; -1 ends it."""
        if self._library is not None:
            self._library.vfs_shim_interrupts(ctypes.c_int(fd))

    def keep_listings(self) -> None:
        """Have the kernel keep the listings of directories, although each open of one is a request."""
        if self._library is not None:
            self._library.vfs_shim_keep_listings(ctypes.c_int(1))

    def _look(self, nanoseconds: int) -> bool:
        assert self._library is not None
        assert self._quick is not None
        library = self._library if nanoseconds else self._quick
        return bool(library.vfs_shim_look(ctypes.c_int64(nanoseconds)))

    def _push(self, files: Sequence[tuple[int, bytes]]) -> list[int]:
        assert self._library is not None
        count = len(files)
        inodes = (ctypes.c_uint64 * count)(*[inode for inode, _ in files])
        data = (ctypes.c_char_p * count)(*[content for _, content in files])
        sizes = (ctypes.c_uint64 * count)(*[len(content) for _, content in files])
        outcomes = (ctypes.c_int * count)()
        done = self._library.vfs_shim_push(ctypes.c_size_t(count), inodes, data, sizes, outcomes)
        return list(outcomes[:done])

    def _reports(self, queue: int, room: Columns, familiar: array[int], patience_ns: int) -> int:
        assert self._library is not None
        count: int = self._library.vfs_shim_opens(
            ctypes.c_int(queue),
            *(ctypes.c_void_p(column.buffer_info()[0]) for column in room),
            ctypes.c_size_t(len(room.inodes)),
            ctypes.c_void_p(familiar.buffer_info()[0]),
            ctypes.c_size_t(len(familiar)),
            ctypes.c_int64(patience_ns),
        )
        if count < 0:
            raise OSError(-count, os.strerror(-count))
        return count

    def _send(self, listing: Listing, call: Callable[[], object]) -> int:
        assert self._quick is not None
        names = b"\0".join(listing.names) + b"\0"
        self._quick.vfs_shim_lines(
            ctypes.c_size_t(len(listing.names)),
            ctypes.c_uint64(listing.inode),
            ctypes.c_uint64(listing.cookie),
            ctypes.c_char_p(names),
            *(ctypes.c_void_p(column.buffer_info()[0]) for column in listing[3:]),
        )
        try:
            call()
        finally:
            sent: int = self._quick.vfs_shim_fitted()
        return sent


SHIM = Shim()
