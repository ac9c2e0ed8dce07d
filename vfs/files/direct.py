"""Writing past the page cache: what is written once and not read soon need not push out what is."""

from __future__ import annotations

import mmap
import os
import threading

# What O_DIRECT asks of offsets and lengths; no disk asks for more.
ALIGNED = 4096
# Bytes of one write, and of the buffer that a writer keeps.
PIECE = 4 << 20


class DirectWriter:
    """Writes large ranges of files with O_DIRECT, and all others, or where that is refused, as ever.

    Filling the page cache with a GiB takes between 0.2 and 2 s of the processor, a direct write 0.2. The memory written
    from must be aligned, which nobody's is: it is copied through one buffer, guarded by `_lock`, so writes go one
    after the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buffer: mmap.mmap | None = None
        self._refused = False

    def write(self, fd: int, data: memoryview, offset: int) -> None:
        """Write all of `data` at `offset` of the file behind `fd`; OSError, with some of it written or none."""
        start = -offset % ALIGNED
        end = start + (len(data) - start) // ALIGNED * ALIGNED
        if end - start < PIECE // 4 or self._refused or not self._directly(fd, data[start:end], offset + start):
            start = end = len(data)
        _write(fd, data[:start], offset)
        _write(fd, data[end:], offset + end)

    def _directly(self, fd: int, data: memoryview, offset: int) -> bool:
        """Write what is aligned; False where the file system does not take it so."""
        try:
            direct = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
        except OSError:
            self._refused = True
            return False
        try:
            with self._lock:
                for at in range(0, len(data), PIECE):
                    part = data[at : at + PIECE]
                    if os.pwrite(direct, self._aligned(part), offset + at) != len(part):
                        return False
            return True
        except OSError:
            # Written again as ever: there the reason shows, if it is not alignment.
            return False
        finally:
            os.close(direct)

    def _aligned(self, data: memoryview) -> memoryview:
        if self._buffer is None:
            self._buffer = mmap.mmap(-1, PIECE)
        self._buffer[: len(data)] = data
        return memoryview(self._buffer)[: len(data)]


def _write(fd: int, data: memoryview, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], offset + done)
