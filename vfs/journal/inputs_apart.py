"""How the inputs of two runs differ: other commits, other files read, other names listed or looked up in vain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vfs.errors import Corrupt, NotFound
from vfs.journal.causes import Cause, FileDifference
from vfs.journal.render.words import commit_title, plain
from vfs.journal.sealed import Reading
from vfs.model.commit import InputCommit
from vfs.model.names import printable
from vfs.model.record import RunRecord
from vfs.repo.commits import read_commit
from vfs.repo.library import Library
from vfs.tree.tree import Tree

# Directories whose names are compared, and names looked up again; a look-up costs some 0.1 ms.
_MOST = 2000


def input_causes(library: Library, a: Sequence[Reading], b: Sequence[Reading], *, observed: bool) -> Iterator[Cause]:
    """One cause for each pair of inputs that differ; likely where what was read of them, or found there, differs.

    `observed`: neither run can have read anything else.
    """
    for old, new in _pairs(a, b):
        if old is None or new is None:
            yield _alone(old, new)
        elif (old.input.repo, old.input.commit) == (new.input.repo, new.input.commit):
            yield from _same_commit(old, new)
        else:
            yield _other_commit(library, old, new, observed=observed)


def shown_causes(a: RunRecord, b: RunRecord) -> Iterator[Cause]:
    """Inputs of one name of which the two runs were given other paths."""
    then, now = _shown(a), _shown(b)
    for name in sorted(then.keys() & now.keys()):
        if then[name] != now[name]:
            text = f"{plain(name)}: another path of it was given"
            yield Cause("inputs", text, _part(then[name]), _part(now[name]))


def _part(path: bytes) -> str:
    return printable(path) or "all of it"


def _shown(record: RunRecord) -> dict[str, bytes]:
    paths = dict(enumerate(record.shown))
    return {item.name: paths.get(place, b"") for place, item in enumerate(record.inputs)}


def _pairs(then: Sequence[Reading], now: Sequence[Reading]) -> Iterator[tuple[Reading | None, Reading | None]]:
    """Inputs of one name; what is left, by repo."""
    left = list(now)
    alone = []
    for old in then:
        new = next((one for one in left if one.input.name == old.input.name), None)
        if new is None:
            alone.append(old)
        else:
            left.remove(new)
            yield old, new
    for old in alone:
        new = next((one for one in left if one.input.repo == old.input.repo), None)
        if new is not None:
            left.remove(new)
        yield old, new
    yield from ((None, new) for new in left)


def _alone(old: Reading | None, new: Reading | None) -> Cause:
    one = old if old is not None else new
    assert one is not None
    side = "A" if new is None else "B"
    text = f"{plain(one.input.name)}: given in {side} alone{'' if one else ', and nothing of it was read'}"
    return Cause("inputs", text, _name(old), _name(new), likely=bool(one))


def _same_commit(old: Reading, new: Reading) -> Iterator[Cause]:
    files = tuple(_files(old, new))
    if files:
        text = f"{plain(old.input.name)}: the same commit, of which other files were read"
        yield Cause("inputs", text, _name(old), _name(new), likely=False, files=files)


def _other_commit(library: Library, old: Reading, new: Reading, *, observed: bool) -> Cause:
    # A name that one missed and the other read is told once.
    files = tuple({one.path: one for one in (*_found(library, old, new), *_files(old, new))}.values())
    name = plain(old.input.name)
    if files:
        return Cause("inputs", f"{name}: what was read differs", _name(old), _name(new), files=files)
    if observed:
        text = f"{name}: another commit, of which the same was read"
        return Cause("inputs", text, _name(old), _name(new), likely=False)
    return Cause("inputs", f"{name}: another commit, and reads were not all observed", _name(old), _name(new))


def _files(old: Reading, new: Reading) -> Iterator[FileDifference]:
    then, now = dict(old.files), dict(new.files)
    for path in sorted(then.keys() | now.keys()):
        before, after = then.get(path), now.get(path)
        if before != after:
            change = "only in A" if after is None else "only in B" if before is None else "changed"
            yield FileDifference(path, change)


def _found(library: Library, old: Reading, new: Reading) -> Iterator[FileDifference]:
    """Directories that both listed and that hold other names; names that one looked up in vain and the other has."""
    listed = sorted(set(old.listed) & set(new.listed))[:_MOST]
    absent = sorted(set(old.absent) ^ set(new.absent))[:_MOST]
    if not listed and not absent:
        return
    try:
        before, after = _tree(library, old.input), _tree(library, new.input)
    except (NotFound, Corrupt):
        # The commit is gone; that it was another one is known all the same.
        return
    for path in listed:
        if _names(before, path) != _names(after, path):
            yield FileDifference(path, "listing")
    missed = set(old.absent)
    for path in absent:
        missed_in_a = path in missed
        if (after if missed_in_a else before).find(path) is not None:
            yield FileDifference(path, "only in B" if missed_in_a else "only in A")


def _tree(library: Library, item: InputCommit) -> Tree:
    return library.tree(read_commit(library, item.repo, item.commit))


def _names(tree: Tree, path: bytes) -> list[tuple[bytes, int]]:
    return [(entry.name, entry.kind) for _, entry in tree.children(path)]


def _name(used: Reading | None) -> str:
    return commit_title(used.input.repo, used.input.commit) if used is not None else ""
