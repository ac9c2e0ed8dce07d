"""An exerciser of one file, after the published description of fsx: random work, a model in memory, a log.

The steps follow from a seed alone, so a run is repeated by its seed or from its log:

    cd tests && python -m stress.onefile --seed 7 --operations 5000 --log /tmp/log FILE
    cd tests && python -m stress.onefile --replay /tmp/log FILE

What the file holds at the beginning is the model's beginning. The first difference ends the run with status 1.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TextIO

LARGEST = 256 * 1024
LONGEST = 48 * 1024
LOOK_AT_ALL = 25
"""Steps between two comparisons of the whole file."""

KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 0x01, 0x02, 0x10
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Step:
    """One operation: what, where, how long; `fill` is the seed of the bytes it writes."""

    kind: str
    offset: int
    length: int
    fill: int

    @property
    def data(self) -> bytes:
        return random.Random(self.fill).randbytes(self.length)


class Differs(Exception):
    """The file is not what the model says."""


def steps(seed: int, count: int) -> Iterator[Step]:
    """The steps of a seed."""
    chance = random.Random(seed)
    kinds = list(KINDS)
    for _ in range(count):
        offset = chance.randrange(LARGEST - 1)
        length = min(chance.randrange(1, LONGEST), LARGEST - offset)
        yield Step(chance.choice(kinds), offset, length, chance.randrange(1 << 32))


def fallocate(fd: int, mode: int, step: Step) -> None:
    """The system call, with modes that Python's own has not."""
    place, length = ctypes.c_long(step.offset), ctypes.c_long(step.length)
    if _libc.fallocate(fd, mode, place, length):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Exerciser:
    """A file and its model. Invariant between two steps: both have the same size and bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._model = bytearray(path.read_bytes() if path.exists() else b"")
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    @property
    def content(self) -> bytes:
        return bytes(self._model)

    def close(self) -> None:
        os.close(self._fd)

    def do(self, step: Step) -> None:
        """Take one step in the file and in the model."""
        KINDS[step.kind](self, step)
        size = os.fstat(self._fd).st_size
        if size != len(self._model):
            raise Differs(f"the file has {size} bytes, the model {len(self._model)}")

    def look_at_all(self) -> None:
        self._same(os.pread(self._fd, LARGEST + 1, 0), 0, LARGEST + 1)

    def _same(self, found: bytes, offset: int, length: int) -> None:
        wanted = bytes(self._model[offset : offset + length])
        if found == wanted:
            return
        at = next((n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), None)
        where = f"from byte {offset + at}" if at is not None else f"{len(found)} bytes, not {len(wanted)}"
        raise Differs(f"wrong content {where}")

    def _grow(self, size: int) -> None:
        self._model.extend(bytes(max(0, size - len(self._model))))

    def _put(self, offset: int, data: bytes) -> None:
        self._grow(offset + len(data))
        self._model[offset : offset + len(data)] = data

    def _clear(self, step: Step) -> None:
        end = min(step.offset + step.length, len(self._model))
        if end > step.offset:
            self._model[step.offset : end] = bytes(end - step.offset)

    def read(self, step: Step) -> None:
        self._same(os.pread(self._fd, step.length, step.offset), step.offset, step.length)

    def write(self, step: Step) -> None:
        if os.pwrite(self._fd, step.data, step.offset) != step.length:
            raise Differs("a short write")
        self._put(step.offset, step.data)

    def append(self, step: Step) -> None:
        room = LARGEST - len(self._model)
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, step.data[:room])
        finally:
            os.close(fd)
        self._put(len(self._model), step.data[:room])

    def truncate(self, step: Step) -> None:
        os.ftruncate(self._fd, step.offset)
        del self._model[step.offset :]
        self._grow(step.offset)

    def map_read(self, step: Step) -> None:
        if not self._model:
            return
        with mmap.mmap(self._fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) as view:
            self._same(view[step.offset : step.offset + step.length], step.offset, step.length)

    def map_write(self, step: Step) -> None:
        end = step.offset + step.length
        if len(self._model) < end:
            os.ftruncate(self._fd, end)
        self._put(step.offset, step.data)
        with mmap.mmap(self._fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as view:
            view[step.offset : end] = step.data
            if step.fill % 2:
                view.flush()

    def allocate(self, step: Step) -> None:
        fallocate(self._fd, 0, step)
        self._grow(step.offset + step.length)

    def allocate_beyond(self, step: Step) -> None:
        fallocate(self._fd, KEEP_SIZE, step)

    def punch(self, step: Step) -> None:
        fallocate(self._fd, PUNCH_HOLE | KEEP_SIZE, step)
        self._clear(step)

    def zero(self, step: Step) -> None:
        fallocate(self._fd, ZERO_RANGE, step)
        self._grow(step.offset + step.length)
        self._clear(step)

    def reopen(self, step: Step) -> None:
        os.close(self._fd)
        self._fd = os.open(self._path, os.O_RDWR)
        self.look_at_all()

    def sync(self, step: Step) -> None:
        os.fsync(self._fd)


KINDS: dict[str, Callable[[Exerciser, Step], None]] = {
    method.__name__: method
    for method in (
        Exerciser.read, Exerciser.write, Exerciser.append, Exerciser.truncate, Exerciser.map_read, Exerciser.map_write,
        Exerciser.allocate, Exerciser.allocate_beyond, Exerciser.punch, Exerciser.zero, Exerciser.reopen,
        Exerciser.sync,
    )
}  # fmt: skip


def exercise(path: Path, wanted: Iterable[Step], *, log: TextIO) -> bytes:
    """Take the steps, each logged before it is taken; the content that the file ends with."""
    work = Exerciser(path)
    try:
        for number, step in enumerate(wanted):
            log.write(json.dumps(astuple(step)) + "\n")
            try:
                work.do(step)
                if number % LOOK_AT_ALL == 0:
                    work.look_at_all()
            except Differs as error:
                log.flush()
                raise Differs(f"step {number}, {step}: {error}") from None
        work.look_at_all()
        return work.content
    finally:
        work.close()


def replayed(log: Path) -> list[Step]:
    """The steps of a log."""
    return [Step(*json.loads(line)) for line in log.read_text().splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="stress.onefile")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operations", type=int, default=1000)
    parser.add_argument("--log", type=Path, default=Path(os.devnull))
    parser.add_argument("--replay", type=Path)
    wanted = parser.parse_args()
    todo = replayed(wanted.replay) if wanted.replay else steps(wanted.seed, wanted.operations)
    with wanted.log.open("w") as log:
        try:
            exercise(wanted.file, todo, log=log)
        except Differs as error:
            print(f"seed {wanted.seed}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
