"""What a run was given and did not use, looked for and did not find, and opened without having been given it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

import msgspec

from vfs.errors import Refused, UsageError
from vfs.model.names import printable
from vfs.model.record import RunRecord
from vfs.run.code import is_program_text
from vfs.run.inputs import PLACE

UNUSED, UNDECLARED, MISSING = "unused", "undeclared", "missing"
KINDS = (UNUSED, UNDECLARED, MISSING)
# Names in a line; the record has all.
_NAMED = 3
# What the system brings is no input that anybody would give.
_SYSTEM = tuple(
    f"/{name}".encode() for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64", "etc", "proc", "sys", "dev", "run")
)
# What belongs to an interpreter, within its own directory.
_OF_PROGRAMS = (b"bin", b"lib", b"lib64", b"libexec", b"share", b"pyvenv.cfg")


class Declared(msgspec.Struct, frozen=True):
    """How what a run was given compares with what it used.

    `unused`: names of inputs of which no file was opened and no directory listed. `missing`: names looked up in the
    inputs and not there, as the command saw them. `undeclared`: files opened outside of them, None when that was not
    observed.
    """

    unused: tuple[str, ...] = ()
    missing: tuple[bytes, ...] = ()
    undeclared: tuple[bytes, ...] | None = None

    def lines(self) -> list[str]:
        """What there is to say of it, a line for each kind."""
        found = []
        if self.unused:
            found.append(f"{UNUSED}: {_some('input', self.unused)} given, and nothing of it read or listed")
        if self.missing:
            found.append(f"{MISSING}: {_some('name', map(printable, self.missing))} looked up in the inputs")
        if self.undeclared:
            found.append(f"{UNDECLARED}: {_some('file', map(printable, self.undeclared))} opened outside of the inputs")
        return found

    def check(self, strict: Collection[str]) -> None:
        """Refused when there is something of the kinds `strict`."""
        held = {UNUSED: self.unused, UNDECLARED: self.undeclared, MISSING: self.missing}
        wrong = [line for line in self.lines() if line.partition(":")[0] in strict]
        if any(held[kind] for kind in strict):
            raise Refused(f"run: --strict: {'; '.join(wrong)}; nothing was committed")


def parse_strict(text: str) -> frozenset[str]:
    """The kinds that `--strict[=KIND,…]` names; all of them for the empty text. UsageError for another word."""
    found = frozenset(text.split(",")) if text else frozenset(KINDS)
    for kind in sorted(found - set(KINDS)):
        raise UsageError(f"--strict: '{kind}' is none of {', '.join(KINDS)}")
    return found


def declared_of(
    record: RunRecord, *, traced: bool, own: Sequence[bytes] = (), mounts: Sequence[bytes] = ()
) -> Declared:
    """What the record of a run says of it, just after the run.

    A file outside counts as undeclared when it is below one of `mounts`, other mounts of this host; and else unless
    it is of the system, of a program, a script that the record has, below one of `own`, or not older than the run.
    """
    used = {read.input for reads in (record.reads, record.listed) for read in reads}
    names = [given.name for given in record.inputs]
    return Declared(
        unused=tuple(name for place, name in enumerate(names) if place not in used),
        missing=tuple(dict.fromkeys(_seen_as(record, name.input, name.path) for name in record.absent)),
        undeclared=_undeclared(record, own, mounts) if traced else None,
    )


def _seen_as(record: RunRecord, place: int, path: bytes) -> bytes:
    """The path as the command saw it: inputs may show a part of their commit."""
    # A record from a store may name an input that it does not have.
    if not 0 <= place < len(record.inputs):
        return path
    shown = record.shown[place] if place < len(record.shown) else b""
    inner = path[len(shown) :].lstrip(b"/") if shown and _is_below(path, (shown,)) else path
    return b"/".join((PLACE.encode(), os.fsencode(record.inputs[place].name), inner))


def _undeclared(record: RunRecord, own: Sequence[bytes], mounts: Sequence[bytes]) -> tuple[bytes, ...]:
    code = {item.path for item in record.code if item.role == "script" and is_program_text(item.path)}
    known = (*_SYSTEM, *own, *_programs(record))
    paths = sorted({item.path for item in record.outside})
    return tuple(
        path
        for path in paths
        if _is_below(path, mounts)
        or not (path in code or _is_below(path, known) or _of_environment(path) or _is_new(path, record.started_ns))
    )


def _programs(record: RunRecord) -> set[bytes]:
    """The executables, and what lies beside them as an installation has it."""
    found = set()
    for process in record.processes:
        if process.exe:
            found.add(process.exe)
            prefix = os.path.dirname(os.path.dirname(process.exe))
            found.update(os.path.join(prefix, name) for name in _OF_PROGRAMS if len(prefix) > 1)
    return found


def _of_environment(path: bytes) -> bool:
    """True within a virtual environment of Python, whose interpreter is elsewhere."""
    while len(path := os.path.dirname(path)) > 1:
        if os.path.lexists(os.path.join(path, b"pyvenv.cfg")):
            return True
    return False


def _is_new(path: bytes, since_ns: int) -> bool:
    """True for what the run may have written itself, such as temporary files."""
    try:
        return os.lstat(path).st_mtime_ns >= since_ns
    except OSError:
        return True


def _is_below(path: bytes, places: Iterable[bytes]) -> bool:
    return any(path == place or path.startswith(place.rstrip(b"/") + b"/") for place in places)


def _some(thing: str, names: Iterable[str]) -> str:
    held = list(names)
    count = f"1 {thing}" if len(held) == 1 else f"{len(held)} {thing}s"
    more = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
    return f"{count} ({', '.join(held[:_NAMED])}{more})"
