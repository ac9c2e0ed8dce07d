"""What a run wrote beside what a commit holds, path by path. Nothing of it is put into the store."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import msgspec

from vfs.errors import Refused
from vfs.files.translate import cause_of
from vfs.model.commit import StoredCommit
from vfs.model.entry import MODE_MASK, Entry, Kind
from vfs.model.names import printable
from vfs.model.record import RunRecord
from vfs.repo.first_byte import first_byte_of_file
from vfs.repo.guard import Guard
from vfs.repo.library import Library
from vfs.repo.notes import Notes
from vfs.repo.progress import Progress
from vfs.repo.sources import Source, found_below, start
from vfs.repo.stable import user_xattrs
from vfs.repo.walk import Found, Walk
from vfs.tree.keys import key_of

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIR, stat.S_IFLNK: Kind.SYMLINK}
_WORDS = {Kind.FILE: "file", Kind.DIR: "directory", Kind.SYMLINK: "symlink"}


class Verdict(Enum):
    """How one output came out. The value is the word that is shown."""

    IDENTICAL = "identical"
    DIFFERENT = "different"
    MISSING = "missing"
    EXTRA = "extra"
    KIND = "kind"
    MODE = "mode"


class Outcome(msgspec.Struct, frozen=True):
    """One path: how it came out, and in words how it differs. `offset`: its first byte that is different."""

    path: bytes
    verdict: Verdict
    offset: int | None = None
    detail: str = ""


def compare_output(
    library: Library, stored: StoredCommit, record: RunRecord, *, out: Path, progress: Progress
) -> Iterator[Outcome]:
    """Each output of the run behind `stored` beside what lies in the directory `out`, in the key order of trees.

    Times are not compared. Content is compared by the digests of its chunks, and of the store only the chunk is read
    in which it parts. What a tree does not hold (sockets, devices) is passed over, as in a commit. Refused
    when something cannot be read.
    """
    notes = Notes()
    progress.start(None)
    found = found_below([start(Source(os.fsencode(out), contents=True), b"")], Walk(notes, Guard({})))
    for old, new in _joined(_expected(library, stored, record), (one for one in found if one.at)):
        outcome = _outcome(library, old, new, progress)
        if outcome is not None:
            yield outcome
    if notes.failures:
        raise Refused(f"{notes.failures[0]}; it cannot be compared")


def _expected(library: Library, stored: StoredCommit, record: RunRecord) -> Iterator[Entry]:
    """What the run wrote; the commit holds more where another writer came first and the two were merged."""
    written = {output.path for output in record.outputs}
    return (entry for entry in library.tree(stored).walk() if entry.path in written)


def _joined(old: Iterator[Entry], new: Iterator[Found]) -> Iterator[tuple[Entry | None, Found | None]]:
    a, b = next(old, None), next(new, None)
    while a is not None or b is not None:
        key_a = key_of(a.path) if a is not None else None
        key_b = key_of(b.at) if b is not None else None
        first = key_b is None or (key_a is not None and key_a <= key_b)
        second = key_a is None or (key_b is not None and key_b <= key_a)
        yield a if first else None, b if second else None
        a = next(old, None) if first else a
        b = next(new, None) if second else b


def _outcome(library: Library, old: Entry | None, new: Found | None, progress: Progress) -> Outcome | None:
    if new is None:
        return Outcome(old.path, Verdict.MISSING, detail=_WORDS[old.kind]) if old is not None else None
    try:
        status = new.parent.status(new.name)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return None if old is None else Outcome(new.at, Verdict.MISSING, detail="what is there now is no file")
        if old is None:
            return Outcome(new.at, Verdict.EXTRA, detail=_WORDS[kind])
        if old.kind is not kind:
            return Outcome(new.at, Verdict.KIND, detail=f"{_WORDS[old.kind]}, now {_WORDS[kind]}")
        return _of_one_kind(library, old, new, status, progress)
    except OSError as error:
        raise Refused(f"{printable(new.shown)}: cannot be read: {cause_of(error)}; it cannot be compared") from error


def _of_one_kind(library: Library, old: Entry, new: Found, status: os.stat_result, progress: Progress) -> Outcome:
    if old.kind is Kind.SYMLINK:
        target = os.readlink(new.name, dir_fd=new.parent.fd)
        if target == old.target:
            return Outcome(new.at, Verdict.IDENTICAL)
        detail = f"points to {printable(old.target)}, now to {printable(target)}"
        return Outcome(new.at, Verdict.DIFFERENT, detail=detail)
    fd = os.open(new.name, _OPEN, dir_fd=new.parent.fd)
    try:
        parted = first_byte_of_file(library.files, old, fd) if old.kind is Kind.FILE else None
        progress.advance(status.st_size if old.kind is Kind.FILE else 0, 1)
        if parted is not None:
            sizes = f"{old.size} bytes, now {status.st_size}" if old.size != status.st_size else "of the same size"
            return Outcome(new.at, Verdict.DIFFERENT, parted, f"from byte {parted} on, {sizes}")
        return _attributes(old, new, status, user_xattrs(fd))
    finally:
        os.close(fd)


def _attributes(old: Entry, new: Found, status: os.stat_result, xattrs: tuple[tuple[bytes, bytes], ...]) -> Outcome:
    mode = status.st_mode & MODE_MASK
    if mode != old.mode:
        return Outcome(new.at, Verdict.MODE, detail=f"mode {old.mode:04o}, now {mode:04o}")
    if xattrs != old.xattrs:
        return Outcome(new.at, Verdict.MODE, detail="other extended attributes")
    return Outcome(new.at, Verdict.IDENTICAL)
