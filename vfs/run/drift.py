"""What is no longer as it was when a run was recorded: programs, code, environment. Told before the run is repeated."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import msgspec

from vfs.journal.causes import programs
from vfs.journal.environment import ALLOWED
from vfs.journal.executable import Executables
from vfs.journal.masking import MASK
from vfs.journal.render.words import plain
from vfs.model.ids import Digest
from vfs.model.names import printable
from vfs.model.record import Code, RunRecord
from vfs.run.code import code_of
from vfs.run.image import image_of
from vfs.run.inputs import PLACE

# Values are cut to this length in a record.
_CUT = 4096
_PREFIX = "LC_"
# Told to each run anew.
_OWN = "VFS_"
_INPUTS = f"{PLACE}/".encode()


class Drift(msgspec.Struct, frozen=True):
    """One thing that differs. `about` is executable, code, environment or image; `text` a line, subject first.

    `restored`: the run gets what was recorded all the same.
    """

    about: str
    text: str
    restored: bool = False


def drift_of(record: RunRecord, command: Sequence[bytes], *, cwd: bytes, restore: bool) -> Iterator[Drift]:
    """What differs now from the time of `record`, where `command` is run in `cwd`; blocks while files are read."""
    yield from _executables(record)
    yield from _code(record.code, code_of(command, cwd=cwd).code)
    yield from _environment(record, restore=restore)
    image = image_of()
    if record.image and record.image != image:
        yield Drift("image", f"container image: {plain(record.image)} then, {plain(image) or 'not known'} now")


def recorded_environment(record: RunRecord) -> dict[str, str | None]:
    """What to change in our environment so that it is the recorded one; None takes a variable away.

    Only names that records hold are touched, and a value that was cut or masked there is left as it is.
    """
    held = {name: value for name, value in record.environment if not name.startswith(_OWN)}
    if not held:
        return {}
    absent = {name: None for name in os.environ if _is_recorded(name) and name not in held}
    return {**absent, **{name: value for name, value in held.items() if _is_whole(value)}}


def _is_recorded(name: str) -> bool:
    return not name.startswith(_OWN) and (name in ALLOWED or name.startswith(_PREFIX))


def _is_whole(value: str) -> bool:
    return len(value) < _CUT and MASK.decode() not in value


def _environment(record: RunRecord, *, restore: bool) -> Iterator[Drift]:
    held = dict(record.environment)
    for name, value in sorted(recorded_environment(record).items()):
        now = os.environ.get(name)
        if now != value:
            was = "was not set" if value is None else "is not set now" if now is None else "has another value now"
            yield Drift("environment", f"variable {name}: {was}", restored=restore)
    for name in sorted(name for name, value in held.items() if not name.startswith(_OWN) and not _is_whole(value)):
        yield Drift("environment", f"variable {name}: its value was not recorded whole, the present one is used")


def _executables(record: RunRecord) -> Iterator[Drift]:
    known = Executables()
    for path, digests in programs(record).items():
        # What came from an input is the same as long as the input is.
        if not path.startswith(b"/") or path.startswith(_INPUTS):
            continue
        now = _digest(known, path)
        if now is None:
            yield Drift("executable", f"{printable(path)}: is not there any more")
        elif now not in digests:
            yield Drift("executable", f"{printable(path)}: is not the program that ran then")


def _digest(known: Executables, path: bytes) -> Digest | None:
    """The digest of a program, b"" for one that cannot be read, None for none."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    return known.digest(handle)


def _code(then: Sequence[Code], now: Sequence[Code]) -> Iterator[Drift]:
    present = {_place(code): code for code in now}
    for old in then:
        new = present.get(_place(old))
        shown = printable(old.path)
        if old.role == "script" and (new is None or new.digest != old.digest):
            yield Drift("code", f"{shown}: {'is not there any more' if new is None else 'is another script now'}")
        elif old.commit and (new is None or new.commit != old.commit):
            at = new.commit[:12] if new is not None and new.commit else "no commit"
            yield Drift("code", f"{shown}: git commit {old.commit[:12]} then, {at} now")
        elif old.commit and new is not None and (old.dirty or new.dirty):
            yield Drift("code", f"{shown}: had changes that were not in git, {'as now' if new.dirty else 'none now'}")


def _place(code: Code) -> tuple[str, bytes]:
    """What tells pieces of code apart: for scripts their path in the work tree, which may lie elsewhere now."""
    if code.role != "script":
        return code.role, b""
    return code.role, code.path.removeprefix(code.root + b"/") if code.root else code.path
