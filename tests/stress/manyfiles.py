"""An exerciser of a directory tree, in the manner of fsstress: random operations on few names, each result logged.

The operations follow from a seed alone, whatever their results are, so the same seed does the same on any file system
and the logs can be compared line by line. Names are few, so that operations meet: many fail, with an errno that
counts as their result.

    cd tests && python -m stress.manyfiles --seed 7 --operations 5000 --log /tmp/log DIRECTORY
    cd tests && python -m stress.manyfiles --replay /tmp/log --log /tmp/log2 DIRECTORY
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import random
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from stress.calls import EXCHANGE, NO_REPLACE, link_open_file, rename2

LETTERS = "abcdefgh"
TOPS = "abc"
"""Names that also stand above others: few, so that most are directories."""
DEEPEST = 3
LARGEST = 20_000
SLOTS = 6
"""Files that stay open from one operation to later ones, also after they lost their names."""

Result = object


@dataclass(frozen=True)
class Operation:
    """What is done to which two names; `number` sizes, places and fills it."""

    kind: str
    one: str
    two: str
    number: int


def name(chance: random.Random) -> str:
    """A path of one to three parts; short ones are as frequent as long ones."""
    depth = chance.randint(1, DEEPEST)
    return "/".join(chance.choice(TOPS if part < depth - 1 else LETTERS) for part in range(depth))


def operations(seed: int, count: int) -> Iterator[Operation]:
    """The operations of a seed."""
    chance = random.Random(seed)
    kinds = [kind for kind, (weight, _) in KINDS.items() for _ in range(weight)]
    for _ in range(count):
        yield Operation(chance.choice(kinds), name(chance), name(chance), chance.randrange(1 << 20))


def populate(top: Path, seed: int, count: int = 120) -> None:
    """A first tree of the same names, with modes, times, links and attributes."""
    chance = random.Random(seed)
    for number in range(count):
        path = top / name(chance)
        if os.path.lexists(path) or any(up.is_symlink() or up.is_file() for up in path.parents):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 7 == 0:
            path.symlink_to(name(chance))
            continue
        path.write_bytes(chance.randbytes(chance.randrange(LARGEST)))
        path.chmod(chance.choice((0o600, 0o644, 0o755, 0o400)))
        if number % 5 == 0:
            os.setxattr(path, "user.first", b"%d" % number)
    for directory, _, files in os.walk(top, topdown=False):
        for leaf in [*(os.path.join(directory, file) for file in files), directory]:
            os.utime(leaf, ns=(0, moment(chance.randrange(1 << 20))), follow_symlinks=False)


def moment(number: int) -> int:
    """A time of 2001, in nanoseconds, that no clock of today gives."""
    return 1_000_000_000_000_000_000 + number * 1_000_003


def _data(op: Operation) -> bytes:
    return random.Random(op.number).randbytes(op.number % LARGEST)


class Exerciser:
    """Does operations in the current directory. Owns the files that are open meanwhile."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}

    def do(self, op: Operation) -> Result:
        """The result: what was found, or the name of the errno."""
        try:
            return KINDS[op.kind][1](self, op)
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    def create(self, op: Operation) -> Result:
        with open(op.one, "xb") as file:
            return file.write(_data(op))

    def write(self, op: Operation) -> Result:
        fd = os.open(op.one, os.O_WRONLY)
        try:
            return os.pwrite(fd, _data(op), op.number % LARGEST)
        finally:
            os.close(fd)

    def append(self, op: Operation) -> Result:
        with open(op.one, "ab") as file:
            file.write(_data(op)[:1000])
            return file.tell()

    def overwrite(self, op: Operation) -> Result:
        with open(op.one, "wb") as file:
            return file.write(_data(op))

    def read(self, op: Operation) -> Result:
        with open(op.one, "rb") as file:
            return hashlib.blake2b(file.read(), digest_size=8).hexdigest()

    def truncate(self, op: Operation) -> None:
        os.truncate(op.one, op.number % LARGEST)

    def mkdir(self, op: Operation) -> None:
        os.mkdir(op.one, 0o755 if op.number % 2 else 0o700)

    def rmdir(self, op: Operation) -> None:
        os.rmdir(op.one)

    def unlink(self, op: Operation) -> None:
        os.unlink(op.one)

    def rename(self, op: Operation) -> None:
        os.rename(op.one, op.two)

    def rename_new(self, op: Operation) -> None:
        rename2(op.one, op.two, NO_REPLACE)

    def exchange(self, op: Operation) -> None:
        rename2(op.one, op.two, EXCHANGE)

    def link(self, op: Operation) -> None:
        os.link(op.one, op.two, follow_symlinks=False)

    def symlink(self, op: Operation) -> None:
        os.symlink(op.two, op.one)

    def readlink(self, op: Operation) -> Result:
        return os.readlink(op.one)

    def chmod(self, op: Operation) -> None:
        os.chmod(op.one, (0o600, 0o640, 0o755, 0o711)[op.number % 4])

    def utimes(self, op: Operation) -> None:
        os.utime(op.one, ns=(moment(1), moment(op.number)), follow_symlinks=op.number % 2 == 0)

    def setxattr(self, op: Operation) -> None:
        os.setxattr(op.one, f"user.{op.two[:1]}", _data(op)[: op.number % 100], flags=op.number % 3)

    def removexattr(self, op: Operation) -> None:
        os.removexattr(op.one, f"user.{op.two[:1]}")

    def listxattr(self, op: Operation) -> Result:
        return sorted(one for one in os.listxattr(op.one) if one.startswith("user."))

    def status(self, op: Operation) -> Result:
        found = os.lstat(op.one)
        if stat.S_ISDIR(found.st_mode):
            return oct(found.st_mode)
        return [oct(found.st_mode), found.st_size, found.st_nlink]

    def listing(self, op: Operation) -> Result:
        return sorted(os.listdir(op.one))

    def nameless(self, op: Operation) -> None:
        fd = os.open(op.one, os.O_TMPFILE | os.O_RDWR, 0o644)
        try:
            os.write(fd, _data(op))
            link_open_file(fd, op.two)
        finally:
            os.close(fd)

    def hold(self, op: Operation) -> None:
        slot = op.number % SLOTS
        fd = os.open(op.one, os.O_RDWR)
        if slot in self._open:
            os.close(self._open[slot])
        self._open[slot] = fd

    def held_write(self, op: Operation) -> Result:
        return os.pwrite(self._slot(op), _data(op)[:4000], op.number % LARGEST)

    def held_read(self, op: Operation) -> Result:
        found = os.pread(self._slot(op), LARGEST * 3, 0)
        return hashlib.blake2b(found, digest_size=8).hexdigest()

    def held_status(self, op: Operation) -> Result:
        found = os.fstat(self._slot(op))
        return [oct(found.st_mode), found.st_size, found.st_nlink]

    def held_truncate(self, op: Operation) -> None:
        os.ftruncate(self._slot(op), op.number % LARGEST)

    def sync(self, op: Operation) -> None:
        os.fsync(self._slot(op))

    def _slot(self, op: Operation) -> int:
        slot = op.number % SLOTS
        if slot not in self._open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._open[slot]


KINDS: dict[str, tuple[int, Callable[[Exerciser, Operation], Result]]] = {
    method.__name__: (weight, method)
    for weight, method in (
        (9, Exerciser.create), (4, Exerciser.write), (2, Exerciser.append), (2, Exerciser.overwrite),
        (4, Exerciser.read), (3, Exerciser.truncate), (7, Exerciser.mkdir), (3, Exerciser.rmdir),
        (3, Exerciser.unlink), (6, Exerciser.rename), (2, Exerciser.rename_new), (2, Exerciser.exchange),
        (4, Exerciser.link), (2, Exerciser.symlink), (1, Exerciser.readlink), (3, Exerciser.chmod),
        (3, Exerciser.utimes), (3, Exerciser.setxattr), (2, Exerciser.removexattr), (2, Exerciser.listxattr),
        (4, Exerciser.status), (3, Exerciser.listing), (3, Exerciser.nameless), (3, Exerciser.hold),
        (3, Exerciser.held_write), (2, Exerciser.held_read), (2, Exerciser.held_status), (1, Exerciser.held_truncate),
        (1, Exerciser.sync),
    )
}  # fmt: skip


def exercise(wanted: Iterable[Operation], *, log: Path) -> None:
    """Do the operations in the current directory; a line of the log for each, with its result."""
    work = Exerciser()
    with log.open("w") as lines:
        for op in wanted:
            lines.write(json.dumps({**asdict(op), "result": work.do(op)}) + "\n")


def replayed(log: Path) -> list[Operation]:
    """The operations of a log."""
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [Operation(one["kind"], one["one"], one["two"], one["number"]) for one in found]


def main() -> int:
    parser = argparse.ArgumentParser(prog="stress.manyfiles")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operations", type=int, default=1000)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--replay", type=Path)
    wanted = parser.parse_args()
    todo = replayed(wanted.replay) if wanted.replay else operations(wanted.seed, wanted.operations)
    os.umask(0o022)
    log = wanted.log.resolve()
    os.chdir(wanted.directory)
    exercise(todo, log=log)
    return 0


if __name__ == "__main__":
    sys.exit(main())
