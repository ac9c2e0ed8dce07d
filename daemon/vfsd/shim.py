"""The compiled shim between pyfuse3 and libfuse, loaded before pyfuse3 so that it is found first.

Without it everything works but what `status` names: see `shim.c` for what it adds.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

PATH = Path(__file__).with_name("_shim.so")
# Set to 0, the daemon runs without the shim: for tests of that way, and to rule it out as a cause.
VARIABLE = "VFSD_SHIM"


class Shim:
    """What the shim offers. `missing` says why it is not there; then `request` always gives 0."""

    def __init__(self) -> None:
        self.missing = ""
        self.request: Callable[[], int] = lambda: 0
        self._library: ctypes.CDLL | None = None
        if os.environ.get(VARIABLE) == "0":
            self.missing = f"{VARIABLE} is 0"
            return
        try:
            self._library = ctypes.CDLL(str(PATH), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            self.missing = "not compiled" if not PATH.exists() else f"cannot be loaded: {error}"
            return
        self._library.vfs_shim_request.restype = ctypes.c_uint64
        self.request = self._library.vfs_shim_request

    def report_interrupts(self, fd: int) -> None:
        """Have number and thread id of interrupted requests written to `fd`; -1 ends it."""
        if self._library is not None:
            self._library.vfs_shim_interrupts(ctypes.c_int(fd))


SHIM = Shim()
