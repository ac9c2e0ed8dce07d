"""Log, compare, remove: what a history says of paths; and the record sealed into a commit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfs.errors import Corrupt, PathNotFound, RevisionNotFound, UsageError
from vfs.model.commit import InputCommit
from vfs.model.record import RunRecord
from vfs.model.revision import parse_revision
from vfs.repo.commits import read_record
from vfs.repo.compare import Change, change_of, compare
from vfs.repo.history import log
from vfs.repo.library import Library
from vfs.repo.remove import remove
from vfs.repo.resolve import resolve


@pytest.fixture
def grown(library: Library, put_paths, work: Path) -> Library:
    """Five commits: a, then dir/b, then a again, then rm dir/b, then c."""
    (work / "dir").mkdir()
    (work / "a").write_bytes(b"1")
    put_paths("r", work / "a", message="one")
    (work / "dir/b").write_bytes(b"b")
    put_paths("r", work / "dir", message="two")
    (work / "a").write_bytes(b"22")
    put_paths("r", work / "a", message="three")
    remove(library, parse_revision("r:dir/b"), message="four")
    (work / "c").write_bytes(b"c")
    put_paths("r", work / "c", message="five")
    return library


def messages(library: Library, revision: str, **options: object) -> list[str]:
    return [stored.commit.message for stored in log(library, resolve(library, parse_revision(revision)), **options)]


def test_the_log_of_a_branch_and_of_paths(grown: Library) -> None:
    assert messages(grown, "r") == ["five", "four", "three", "two", "one"]
    assert messages(grown, "r", limit=2) == ["five", "four"]
    assert messages(grown, "r~2") == ["three", "two", "one"]
    assert messages(grown, "r:a") == ["three", "one"]
    assert messages(grown, "r", path=b"a") == ["three", "one"]
    assert messages(grown, "r:dir") == ["four", "two"]
    assert messages(grown, "r:dir/b") == ["four", "two"]
    assert messages(grown, "r:dir", path=b"") == ["five", "four", "three", "two", "one"]
    assert messages(grown, "r:nope") == []


def test_a_lost_parent_is_named(grown: Library) -> None:
    lost = resolve(grown, parse_revision("r~2")).stored.id
    with Library.open(grown.settings) as fresh:
        fresh.store.delete(f"repos/r/commits/{lost.hex()}")
        with pytest.raises(Corrupt, match=f"^r: parent of .*: commit {lost.hex()} is missing from the store$"):
            messages(fresh, "r")
        with pytest.raises(Corrupt, match=f"^r~4: commit {lost.hex()} is missing from the store$"):
            resolve(fresh, parse_revision("r~4"))


def differences(library: Library, a: str, b: str) -> dict[bytes, Change]:
    found = compare(library, resolve(library, parse_revision(a)), resolve(library, parse_revision(b)))
    return {difference.path: change_of(difference) for difference in found}


def test_what_differs_between_revisions(grown: Library, put_paths, work: Path) -> None:
    assert differences(grown, "r~4", "r") == {b"a": Change.MODIFIED, b"c": Change.ADDED, b"dir": Change.ADDED}
    assert differences(grown, "r", "r~3") == {b"a": Change.MODIFIED, b"c": Change.DELETED, b"dir/b": Change.ADDED}
    assert differences(grown, "r~3:dir", "r:dir") == {b"dir/b": Change.DELETED}
    assert differences(grown, "r", "r") == {}
    (work / "a").chmod(0o600)
    (work / "c").unlink()
    (work / "c").symlink_to("a")
    put_paths("r", work / "a", work / "c")
    assert differences(grown, "r~1", "r") == {b"a": Change.ATTRIBUTES, b"c": Change.TYPE}


def test_two_directories_of_other_names(grown: Library, put_paths, work: Path) -> None:
    os.utime(work / "dir/b", ns=(1, 1))
    put_paths("r", f"{work}/dir/", prefix=b"copy")
    put_paths("r", work / "dir")
    assert differences(grown, "r:dir", "r:copy") == {}
    (work / "dir/new").write_bytes(b"n")
    (work / "dir/b").write_bytes(b"changed")
    put_paths("r", work / "dir")
    assert differences(grown, "r:copy", "r:dir") == {b"b": Change.MODIFIED, b"new": Change.ADDED}
    assert differences(grown, "r:dir", "r:copy") == {b"b": Change.MODIFIED, b"new": Change.DELETED}


def test_paths_that_are_in_neither(grown: Library) -> None:
    for a, b in (("r:nope", "r:nope"), ("r:nope", "r:a"), ("r:a", "r:nope")):
        with pytest.raises(PathNotFound, match="r:nope: no such path"):
            compare(grown, resolve(grown, parse_revision(a)), resolve(grown, parse_revision(b)))
    assert differences(grown, "r~4:c", "r:c") == {b"c": Change.ADDED}


def test_removing(grown: Library, entries) -> None:
    remove(grown, parse_revision("r:a"), [b"dir"])
    assert list(entries("r")) == [b"", b"c"]
    assert resolve(grown, parse_revision("r")).stored.commit.message == "rm a, dir"
    with pytest.raises(PathNotFound, match="r@main:nope: no such path"):
        remove(grown, parse_revision("r:nope"))
    with pytest.raises(UsageError, match="no path to remove"):
        remove(grown, parse_revision("r"))
    with pytest.raises(RevisionNotFound):
        remove(grown, parse_revision("r@fresh:a"))


def record(outputs: int = 0) -> RunRecord:
    return RunRecord(
        kind="put",
        command=(b"vfs", b"put", b"x" * 2000, b"lost"),
        cwd=b"/here",
        exit_code=0,
        started_ns=1,
        ended_ns=2,
        user="u",
        host="h",
        version="v",
        inputs=(InputCommit("in", "other", bytes(32)),),
        environment=tuple((f"NAME{number}", "v") for number in range(outputs)),
    )


def test_a_record_is_sealed_into_the_commit(library: Library, put_paths, work: Path) -> None:
    (work / "f").write_bytes(b"x")
    for size in (0, 100_000):
        (work / "f").write_bytes(b"%d" % size)
        stored = put_paths("r", work / "f", record=record(size)).stored
        held = read_record(library, resolve(library, parse_revision("r")).stored)
        assert held is not None and held.ended_ns > 2
        assert (held.command, held.cwd, len(held.environment)) == (record().command, b"/here", size)
        assert stored.commit.inputs == held.inputs
        assert stored.commit.command == (b"vfs", b"put", b"x" * 1018)


def test_a_commit_without_a_record(library: Library, put_paths, work: Path) -> None:
    (work / "f").write_bytes(b"x")
    assert read_record(library, put_paths("r", work / "f").stored) is None


def test_a_record_of_another_commit_is_corrupt(library: Library, put_paths, work: Path) -> None:
    import msgspec

    (work / "f").write_bytes(b"x")
    stored = put_paths("r", work / "f", record=record()).stored
    locations = msgspec.structs.replace(stored.locations, record=b"y" * 10, record_size=10)
    with pytest.raises(Corrupt, match="run record"):
        read_record(library, msgspec.structs.replace(stored, locations=locations))
