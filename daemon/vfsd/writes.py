"""Who wrote the files of an output directory or of a writable mount: closes after writing, told to the observer."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple, Protocol, TypeAlias

from vfs.journal.observe import Observer
from vfs.journal.procfs import mark_of, status_of
from vfsd.group import Group, Report, place_of
from vfsd.teller import Teller

OUTPUT = "/pfs/out"
# Files whose openers are remembered, some 300 bytes each, and files whose last writer is.
_OPENED = 16_384
_WRITTEN = 65_536
# Ancestors looked at.
_CHAIN = 32

File: TypeAlias = tuple[int, int]
# The (device, inode) of a regular file by a descriptor of it; None for what is none, or is gone.
Identify: TypeAlias = Callable[[int], File | None]


class Reads(Protocol):
    """Tells the observer of opens for reading, some time after they happened; see `Watch`."""

    def ask(self) -> int:
        """Have it told of every open so far."""

    def reached(self, asked: int) -> bool:
        """Whether it was."""


class _Closed(NamedTuple):
    """Closes of one batch, by key and file, which wait for the reads asked for by that number."""

    batch: int
    asked: int
    files: list[tuple[int, File]]


class Writes(Teller):
    """Tells who closed which file after writing, by the inode, which stays when a file is renamed.

    A close is told after the opens for reading that came before it, those that `reads` still looks up as well: what a
    program read before it wrote comes before it in the order. A process is gone, as a rule, when its last close is
    reported; then it is the program last seen under its number. Of a descriptor that was inherited the opener is
    told, not who closed it: all who had it may have written, and they are the opener's children. Who opens a file that
    another process wrote may have its data from then on, be it to read it or to add to it: the two are linked.
    """

    def __init__(self, group: Group, observer: Observer, identify: Identify, reads: Reads | None) -> None:
        """`reads`: the thread that tells of opens for reading, None where they are told at once."""
        super().__init__(group, observer)
        self._identify = identify
        self._reads = reads
        # By file: who opened it, process by key when it did, the last one last.
        self._openers: dict[File, dict[int, int]] = {}
        # By file: the key of its last writer, those longest ago first.
        self._written: dict[File, int] = {}
        self._waiting: deque[_Closed] = deque()

    def tell(self, reports: Iterable[Report], keys: Mapping[int, int]) -> None:
        """Note who opened what; what was closed waits for the reads before it."""
        closed: list[tuple[int, File]] = []
        programs: dict[int, int] = {}
        for report in reports:
            file = self._identify(report.fd)
            if file is not None and report.opened:
                self._note(file, report.pid, keys.get(report.pid, 0))
                self._hand_on(file, report.fd, keys.get(report.pid, 0))
            if file is not None and report.closed:
                closed.append((self._writer(report.pid, file, programs), file))
                self._remember(*closed[-1])
        if closed:
            self._waiting.append(_Closed(self.taken, self._reads.ask() if self._reads is not None else 0, closed))

    def told(self) -> int:
        """Tells of the closes before which all reads are told."""
        while self._waiting and (self._reads is None or self._reads.reached(self._waiting[0].asked)):
            for key, file in self._waiting.popleft().files:
                self._observer.wrote(key, *file)
        return self._waiting[0].batch - 1 if self._waiting else self.taken

    def _note(self, file: File, pid: int, key: int) -> None:
        if len(self._openers) >= _OPENED:
            self._openers.clear()
        openers = self._openers.setdefault(file, {})
        openers.pop(pid, None)
        openers[pid] = key

    def _remember(self, writer: int, file: File) -> None:
        self._written.pop(file, None)
        self._written[file] = writer
        if len(self._written) > _WRITTEN:
            del self._written[next(iter(self._written))]

    def _hand_on(self, file: File, fd: int, opener: int) -> None:
        """Link the opener of a file to who wrote it before, if there is anything in it."""
        writer = self._written.get(file, 0)
        if opener and writer and writer != opener and os.fstat(fd).st_size:
            self._observer.link(opener, writer)

    def _writer(self, closer: int, file: File, programs: dict[int, int]) -> int:
        """The key of who wrote a file that `closer` closed; `programs` keeps those of processes."""
        openers = self._openers.get(file, {})
        if closer not in programs:
            programs[closer] = self._program(closer)
        pid = self._opener(closer, programs[closer], openers) if openers else closer
        if pid not in programs:
            programs[pid] = self._program(pid)
        key = programs[pid] or openers.get(pid, 0)
        # One that was orphaned meanwhile is not among the opener's children.
        if key and programs[closer]:
            self._observer.link(key, programs[closer])
        return key

    def _opener(self, closer: int, key: int, openers: Collection[int]) -> int:
        """Whose descriptor it closed: its own, an ancestor's, that of the only opener; else 0."""
        for pid in chain(_living_line(closer), self._observer.ancestors(key)):
            if pid in openers:
                return pid
        return next(iter(openers)) if len(openers) == 1 else 0

    def _program(self, pid: int) -> int:
        if not pid:
            return 0
        mark = mark_of(pid)
        # One on its way out has no stack, and no program that could be described.
        if mark is not None and mark.stack:
            return self._observer.key(pid)
        return self._observer.latest(pid)


def _living_line(pid: int) -> Iterator[int]:
    """A process and its ancestors, as far as they are there."""
    for _ in range(_CHAIN):
        yield pid
        status = status_of(pid)
        if status is None:
            return
        pid = status.ppid


def by_inode(fd: int) -> File | None:
    """The identity of a file by its own inode."""
    found = os.fstat(fd)
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


class ByUpper:
    """Identities of files in a writable mount by the inodes of its upper layer, which the mount shows others for."""

    def __init__(self, mountpoint: str, upper: str) -> None:
        self._prefix = os.fsencode(mountpoint).rstrip(b"/") + b"/"
        self._upper = os.fsencode(upper)

    def __call__(self, fd: int) -> File | None:
        """The inode in the upper layer; None while the file is not there, or is moved at this moment."""
        name = f"/proc/self/fd/{fd}".encode()
        path = os.readlink(name)
        if not path.startswith(self._prefix):
            return None
        try:
            found = os.lstat(os.path.join(self._upper, path[len(self._prefix) :]))
        except OSError:
            return None
        # The file had that path meanwhile, or what lies there is another one.
        if not stat.S_ISREG(found.st_mode) or os.readlink(name) != path:
            return None
        return found.st_dev, found.st_ino


def writes_of_run(pid: int, observer: Observer, reads: Reads | None) -> Writes:
    """Who writes the files in /pfs/out as the process `pid` sees it; OSError."""
    group = Group([place_of(pid, OUTPUT)], closes=True)
    return Writes(group, observer, by_inode, reads)


def writes_of_layer(mountpoint: str, upper: str, observer: Observer, reads: Reads | None) -> Writes:
    """Who writes the files of the overlay at `mountpoint`; OSError."""
    return Writes(Group(closes=True, path=mountpoint), observer, ByUpper(mountpoint, upper), reads)


def writes_of_shell(pid: int, shown: str, upper: str, observer: Observer, reads: Reads | None) -> Writes:
    """Who writes the files of the overlay that the process `pid` alone sees at `shown`; OSError."""
    place = place_of(pid, shown)
    try:
        # What the kernel calls a file of another namespace is its path there.
        by_upper = ByUpper(os.readlink(f"/proc/self/fd/{place}"), upper)
        return Writes(Group(closes=True, path=f"/proc/self/fd/{place}"), observer, by_upper, reads)
    finally:
        os.close(place)
