"""Bytes to measure with: pieces of the programs, libraries and texts of this machine, half of them compressed.

Real material compresses as real data does. What is compressed here stands for photographs, audio and archives,
which no file system makes smaller.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import zstandard

SOURCES = ("/usr/lib", "/usr/share", "/usr/bin", "/opt")
SLICE = 4 << 20


class Material:
    """An endless supply, the same for the same seed on the same machine.

    A second round through the machine's files gives compressed pieces of another level only, so that no piece
    comes twice and nothing is won by storing equal content once.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._files = _files()
        self._random.shuffle(self._files)
        self._pieces = self._all()
        self._left = memoryview(b"")

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        found = bytearray()
        while len(found) < size:
            if not self._left:
                self._left = memoryview(next(self._pieces))
            part = self._left[: size - len(found)]
            found += part
            self._left = self._left[len(part) :]
        return bytes(found)

    def _all(self) -> Iterator[bytes]:
        for level in range(1, 12):
            press = zstandard.ZstdCompressor(level=level)
            for path in self._files:
                for piece in _slices(path):
                    if level == 1 and self._random.random() < 0.35:
                        yield piece
                    else:
                        yield press.compress(piece)
        raise RuntimeError(f"{', '.join(SOURCES)}: too few files to make data from")


def _files() -> list[Path]:
    found = []
    for source in SOURCES:
        for path in sorted(Path(source).rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_size > 2048:
                found.append(path)
    return found


def _slices(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(SLICE):
            yield piece
