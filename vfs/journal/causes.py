"""What may have made two runs come out differently: their records side by side, one thing after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from vfs.journal.render.words import command_line, plain
from vfs.model.ids import Digest, short
from vfs.model.names import printable
from vfs.model.record import Code, RunRecord

# The word by which the process is known that makes the namespace of a run.
_ENTER = b"vfs.run.enter"


class FileDifference(msgspec.Struct, frozen=True):
    """A path of an input. `change`: changed, only in A, only in B; or listing, a directory with other names in it."""

    path: bytes
    change: str


class Cause(msgspec.Struct, frozen=True):
    """One thing that is not the same. `about`: inputs, code, command, environment, executables or machine.

    `text` is a line, subject first; `a` and `b` are what it was on either side, "" where it was not. `likely`: this can
    change what a program writes, and is no consequence of something else. `files` are those of an input.
    """

    about: str
    text: str
    a: str = ""
    b: str = ""
    likely: bool = True
    files: tuple[FileDifference, ...] = ()

    @property
    def subject(self) -> str:
        """What is not the same: a path, a name, or what `text` says as a whole."""
        return self.text.rpartition(": ")[0] or self.text


def code_causes(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Work trees and scripts that are not the same; what only one of the records knows proves nothing."""
    then, now = _by_place(a.code), _by_place(b.code)
    for place in sorted(then.keys() | now.keys()):
        old, new = then.get(place), now.get(place)
        if old is None or new is None:
            known = old or new
            assert known is not None
            side = "A" if new is None else "B"
            text = f"{printable(known.path)}: known of {side} alone"
            yield Cause("code", text, _code(old), _code(new), likely=place[0] == "script")
        elif place[0] == "script" and old.digest and old.digest == new.digest:
            continue
        elif (old.digest, old.commit, old.dirty) != (new.digest, new.commit, new.dirty) or old.dirty:
            same = (old.digest, old.commit, old.dirty) == (new.digest, new.commit, new.dirty)
            what = "with changes that are not in git, both times" if same else "another version"
            yield Cause("code", f"{printable(old.path)}: {what}", _code(old), _code(new))


def command_causes(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """The command, and where it ran."""
    if a.command != b.command:
        yield Cause("command", "command line", command_line(a.command), command_line(b.command))
    if a.cwd != b.cwd:
        yield Cause("command", "working directory", printable(a.cwd), printable(b.cwd), likely=False)


def environment_causes(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Variables of the allow-list with other values."""
    then, now = dict(a.environment), dict(b.environment)
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            yield Cause("environment", f"variable {plain(name)}", plain(then.get(name, "")), plain(now.get(name, "")))


def executable_causes(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Programs of one path with other digests, and those that ran on one side alone, the first to run first."""
    then, now = programs(a), programs(b)
    # In the order in which they came up: that of the command itself comes first.
    for path in dict.fromkeys((*then, *now)):
        old, new = then.get(path, set()), now.get(path, set())
        if old and new and old != new:
            yield Cause("executables", f"{printable(path)}: another program", _digests(old), _digests(new))
        elif not old or not new:
            side = "B" if not old else "A"
            yield Cause(
                "executables", f"{printable(path)}: ran in {side} alone", _digests(old), _digests(new), likely=False
            )


def machine_causes(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Where and by whom it was run; seldom the reason, and worth a look where nothing else is."""
    pairs = {
        "container image": (a.image, b.image),
        "host": (a.host, b.host),
        "user": (a.user, b.user),
        "version of vfs": (a.version, b.version),
    }
    for what, (old, new) in pairs.items():
        if old != new:
            yield Cause("machine", what, plain(old), plain(new), likely=what == "container image")


def programs(record: RunRecord) -> dict[bytes, set[Digest]]:
    """The digests of the programs of a run by path, without those that set the run up: they are ours."""
    ours = _setting_up(record)
    found: dict[bytes, set[Digest]] = {}
    for process in record.processes:
        if process.exe and process.exe_digest and process.key not in ours:
            found.setdefault(process.exe, set()).add(process.exe_digest)
    return found


def _setting_up(record: RunRecord) -> set[int]:
    """The process that made the namespace of a run, and its parents."""
    parents = {process.key: process.parent for process in record.processes}
    key = next((process.key for process in record.processes if _ENTER in process.argv), 0)
    found: set[int] = set()
    while key and key not in found:
        found.add(key)
        key = parents.get(key, 0)
    return found


def _by_place(code: Iterable[Code]) -> Mapping[tuple[str, bytes], Code]:
    """By what stays the same when a work tree lies elsewhere."""
    return {(one.role, _relative(one)): one for one in code}


def _relative(code: Code) -> bytes:
    if code.role != "script":
        return b""
    return code.path.removeprefix(code.root + b"/") if code.root else code.path


def _code(code: Code | None) -> str:
    if code is None:
        return ""
    commit = f"git {plain(code.commit[:12])}{', changed' if code.dirty else ''}" if code.commit else ""
    return ", ".join(part for part in (commit, f"digest {short(code.digest)}" if code.digest else "") if part)


def _digests(digests: set[Digest]) -> str:
    return ", ".join(sorted(short(digest) for digest in digests))
