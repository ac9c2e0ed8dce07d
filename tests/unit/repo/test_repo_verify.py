"""A verify finds every kind of damage, names the object and the paths, and goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfs.content.pack import pack_key
from vfs.errors import StoreTimeout
from vfs.model.entry import ChunkList, Entry, Kind
from vfs.model.ids import digest_of
from vfs.model.record import RunRecord
from vfs.model.revision import parse_revision
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved, resolve
from vfs.repo.verify import Report, verify
from vfs.tree.build import build


@pytest.fixture
def filled(library: Library, put_paths, work: Path) -> Resolved:
    for number in range(1000):
        (work / f"f{number:04}").write_bytes(os.urandom(600))
    (work / "large").write_bytes(os.urandom(6 << 20))
    put_paths("r", f"{work}/")
    return resolve(library, parse_revision("r"))


def fresh(library: Library, resolved: Resolved) -> Report:
    """Verified by a library that has nothing in memory."""
    with Library.open(library.settings) as other:
        return verify(other, resolved)


def flip(tmp_path: Path, key: str, at: int) -> None:
    path = tmp_path / "store" / key
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)


def content_of(library: Library, resolved: Resolved, path: bytes) -> ChunkList:
    content = library.tree(resolved.stored).get(path).content
    assert isinstance(content, ChunkList)
    return content


def test_a_whole_commit(library: Library, filled: Resolved) -> None:
    report = fresh(library, filled)
    assert report.ok and report.commit == filled.stored.id
    chunks = len(content_of(library, filled, b"large").refs)
    assert (report.files, report.chunks, report.size) == (1001, 1000 + chunks, 600_000 + (6 << 20))
    assert report.pages >= 2


def test_a_flipped_chunk_hits_the_files_it_is_part_of(library: Library, filled: Resolved, tmp_path: Path) -> None:
    ref = content_of(library, filled, b"f0007").refs[0]
    flip(tmp_path, pack_key(ref.pack), ref.offset + 40)
    report = fresh(library, filled)
    (damage,) = report.damages
    assert damage.object == f"pack {ref.pack.hex()} at {ref.offset}"
    assert damage.paths == [b"f0007"]
    assert str(damage).endswith("; hits f0007")
    assert report.chunks == report.files - 1 + len(content_of(library, filled, b"large").refs) - 1


def test_a_chunk_in_the_middle_of_a_large_file(library: Library, filled: Resolved, tmp_path: Path) -> None:
    ref = content_of(library, filled, b"large").refs[2]
    flip(tmp_path, pack_key(ref.pack), ref.offset + 1)
    (damage,) = fresh(library, filled).damages
    assert (damage.paths, damage.entries) == ([b"large"], 1)


def test_a_page_that_is_damaged_hides_its_entries_and_the_others_are_read(
    library: Library, filled: Resolved, tmp_path: Path
) -> None:
    tree = library.tree(filled.stored)
    leaves = [child for _, child in tree.leaf_refs()]
    assert len(leaves) > 1
    flip(tmp_path, pack_key(leaves[1].ref.pack), leaves[1].ref.offset + 30)
    report = fresh(library, filled)
    (damage,) = report.damages
    assert damage.object == f"pack {leaves[1].ref.pack.hex()} at {leaves[1].ref.offset}"
    assert damage.entries == leaves[1].entries
    assert report.files == 1001 - leaves[1].files


def test_a_damaged_root_page_hides_all(library: Library, filled: Resolved, tmp_path: Path) -> None:
    root = filled.stored.locations.root
    flip(tmp_path, pack_key(root.pack), root.offset + 10)
    (damage,) = fresh(library, filled).damages
    assert damage.entries == filled.stored.commit.entries


def test_a_lost_pack_and_a_truncated_one(library: Library, filled: Resolved, tmp_path: Path) -> None:
    key = pack_key(content_of(library, filled, b"f0000").refs[0].pack)
    path = tmp_path / "store" / key
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    report = fresh(library, filled)
    assert report.damages and any(b"large" in damage.paths for damage in report.damages)
    assert report.chunks > 100
    path.unlink()
    report = fresh(library, filled)
    assert report.chunks == 0
    assert len(report.damages) == 1000 + len(content_of(library, filled, b"large").refs)
    assert {damage.paths[0] for damage in report.damages} >= {b"f0000", b"f0999", b"large"}


def test_another_kind_of_trouble_is_raised(library: Library, filled: Resolved, monkeypatch) -> None:
    with Library.open(library.settings) as other:
        monkeypatch.setattr(other.store, "get", timed_out)
        with pytest.raises(StoreTimeout):
            verify(other, filled)


def timed_out(key: str, *, start: int = 0, length: int | None = None) -> bytes:
    raise StoreTimeout(f"{key}: no answer within 60 s")


ROOT = Entry(path=b"", kind=Kind.DIR, mode=0o755, mtime_ns=0)


def committed(library: Library, entries: list[Entry], record: RunRecord | None = None) -> Resolved:
    writer = library.writer()
    root = build(writer, entries)
    commit_tree(
        library, repo="r", branch="main", root=root, base=None, author="", message="", record=record, writer=writer
    )
    return resolve(library, parse_revision("r"))


def test_a_tree_that_lies_about_a_file(library: Library) -> None:
    writer = library.writer()
    _, content = writer.put_bytes(b"x" * 1000)
    writer.flush()
    wrong = digest_of(b"another")
    large = Entry(path=b"a", kind=Kind.FILE, mode=0o644, mtime_ns=0, size=1000, digest=wrong, content=content)
    inline = Entry(path=b"b", kind=Kind.FILE, mode=0o644, mtime_ns=0, size=1, digest=wrong, content=b"x")
    report = fresh(library, committed(library, [ROOT, large, inline]))
    assert [(damage.object, damage.paths) for damage in report.damages] == [("a", [b"a"]), ("b", [b"b"])]


def test_an_entry_in_no_directory(library: Library) -> None:
    orphan = Entry(path=b"no/where", kind=Kind.FILE, mode=0o644, mtime_ns=0, digest=digest_of(b""))
    (damage,) = fresh(library, committed(library, [ROOT, orphan])).damages
    assert damage.paths == [b"no/where"]
    assert "lies in no directory" in str(damage)


def test_the_run_record_is_read_too(library: Library, tmp_path: Path) -> None:
    record = RunRecord(
        kind="put",
        command=(b"vfs", os.urandom(900)),
        cwd=b"/",
        exit_code=0,
        started_ns=1,
        ended_ns=2,
        user="u",
        host="h",
        version="v",
    )
    resolved = committed(library, [ROOT], record)
    assert fresh(library, resolved).ok
    content = resolved.stored.locations.record
    assert isinstance(content, ChunkList)
    flip(tmp_path, pack_key(content.refs[0].pack), content.refs[0].offset + 20)
    (damage,) = fresh(library, resolved).damages
    assert damage.object.startswith("run record of commit")
