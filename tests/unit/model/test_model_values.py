"""Names, revisions, commits and records: what is accepted, what is refused, what survives a round trip."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfs.errors import Corrupt, InvalidName, NameTooLong, StoreFormat, VfsError, from_wire
from vfs.model.commit import Commit, InputCommit, Locations, decode_commit, encode_commit
from vfs.model.entry import BlobRef
from vfs.model.ids import digest_of
from vfs.model.names import check_name, check_path, clean_path, printable
from vfs.model.record import Process, Read, RunRecord, decode_record, encode_record
from vfs.model.revision import Revision, parse_revision

LABELS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}", fullmatch=True)
NAMES = st.binary(min_size=1, max_size=20).filter(lambda n: not {0, 47} & set(n) and n not in (b".", b".."))


@given(LABELS, st.none() | LABELS, st.integers(0, 999), st.lists(NAMES, max_size=4))
def test_a_revision_is_read_as_it_was_written(repo: str, rev: str | None, back: int, names: list[bytes]) -> None:
    path = b"/".join(names)
    text = repo + (f"@{rev}" if rev else "") + (f"~{back}" if back else "")
    text += ":" + path.decode("utf-8", "surrogateescape") if path else ""
    assert parse_revision(text) == Revision(repo, rev, back, path)


@pytest.mark.parametrize("bad", ["", "@main", "a b", "a@", "a@b@c", "a~x", "-a", "a:../b", "a:b/\0", ".a", "a/b", "é"])
def test_what_is_no_revision_is_refused(bad: str) -> None:
    with pytest.raises(InvalidName):
        parse_revision(bad)


def test_paths_are_cleaned_and_bounded() -> None:
    assert clean_path(b"/a//b/./c/") == b"a/b/c"
    assert clean_path(b"/") == b""
    with pytest.raises(InvalidName):
        clean_path(b"a/../b")
    with pytest.raises(NameTooLong):
        check_name(b"x" * 256)
    assert check_name(b"x" * 255)
    with pytest.raises(NameTooLong):
        check_path(b"/".join([b"x" * 200] * 21))
    assert printable(b"a\xff\n\x1b[1m\xc3\xa9") == "a\\xff\\n\\x1b[1m\u00e9"


def commit_of(**changes: object) -> tuple[Commit, Locations]:
    """A commit with all fields set, and where its root lies."""
    root = BlobRef(digest_of(b"page"), 100, b"p" * 16, 8, 50)
    commit = Commit(
        repo="images",
        parents=(digest_of(b"parent"),),
        root=root.digest,
        entries=3,
        size=12,
        author="a <a@b>",
        time_ns=1,
        message="m\n",
        inputs=(InputCommit("in", "raw", digest_of(b"in")),),
        command=(b"\xff", b"x"),
        record=digest_of(b"record"),
    )
    return msgspec.structs.replace(commit, **changes), Locations(root, b"record", 6)


def test_a_commit_id_covers_what_it_says_and_not_where_it_lies() -> None:
    commit, locations = commit_of()
    id, data = encode_commit(commit, locations)
    stored = decode_commit(id, data)
    assert (stored.commit, stored.locations, stored.id) == (commit, locations, id)
    moved = Locations(msgspec.structs.replace(locations.root, offset=999), b"record", 6)
    assert encode_commit(commit, moved)[0] == id
    assert encode_commit(commit_of(message="other")[0], locations)[0] != id


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_bit_in_a_commit_is_found(position: int, flip: int) -> None:
    id, data = encode_commit(*commit_of())
    changed = bytearray(data)
    changed[position % len(changed)] ^= flip
    try:
        stored = decode_commit(id, bytes(changed))
    except Corrupt:
        return
    assert stored.commit == commit_of()[0], "only locations may differ, and those are checked by what they lead to"


def test_a_commit_of_a_later_format_is_named_as_such() -> None:
    id, data = encode_commit(*commit_of(format=2))
    with pytest.raises(StoreFormat, match="format 2"):
        decode_commit(id, data)


def test_a_record_survives_and_junk_is_refused() -> None:
    process = Process(1, 0, 42, 5, 6, b"/bin/x", digest_of(b"x"), (b"x", b"\xff"), b"/tmp", 0, "root", "")
    record = RunRecord(
        kind="run",
        command=(b"x",),
        cwd=b"/tmp",
        exit_code=0,
        started_ns=1,
        ended_ns=2,
        user="u",
        host="h",
        version="0",
        processes=(process,),
        reads=(Read(1, 0, b"a/\xfe", digest_of(b"a")),),
    )
    data = encode_record(record)
    assert decode_record(data, "r") == record
    for junk in (b"", data[:-3], b"\x91\xa1\xff", b"\xc1"):
        with pytest.raises(Corrupt, match="r: run record"):
            decode_record(junk, "r")


def test_every_error_class_travels_over_the_wire() -> None:
    def classes(root: type[VfsError]) -> list[type[VfsError]]:
        return [root, *(c for child in root.__subclasses__() for c in classes(child))]

    found = classes(VfsError)
    assert len({cls.wire for cls in found}) == len(found)
    for cls in found:
        assert type(from_wire(cls.wire, "subject: cause")) is cls
        assert cls.exit_code in (1, 2, 3, 4, 5, 6)


def test_a_hole_is_a_reference_without_a_digest_wherever_it_points() -> None:
    assert BlobRef(b"", 100, b"", 0, 0).is_hole
    assert BlobRef(b"", 100, b"p" * 16, 8, 50).is_hole
    assert not BlobRef(b"d" * 32, 100, b"", 0, 0).is_hole
