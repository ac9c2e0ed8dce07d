"""Branches and tags move by compare-and-swap alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from vfs.errors import AlreadyExists, Conflict, Corrupt, InvalidName, RevisionNotFound
from vfs.repo.library import Library
from vfs.repo.refs import Ref, Refs

A, B, C = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32


def test_refs_of_one_kind_are_listed_by_name(library: Library) -> None:
    refs = Refs(library, "r")
    refs.branches.create("main", A)
    refs.branches.create("dev", B)
    refs.tags.create("v1", C)
    assert list(refs.branches.list()) == [Ref("dev", B), Ref("main", A)]
    assert list(refs.tags.list()) == [Ref("v1", C)]


def test_a_ref_is_made_once(library: Library) -> None:
    tags = Refs(library, "r").tags
    tags.create("v1", A)
    with pytest.raises(AlreadyExists, match="r: tag v1 exists already"):
        tags.create("v1", B)
    assert tags.get("v1")[0] == A


def test_a_move_from_an_old_version_is_a_conflict(library: Library) -> None:
    branches = Refs(library, "r").branches
    first = branches.create("main", A)
    second = branches.move("main", B, expected=first)
    with pytest.raises(Conflict, match="r: branch main was moved by another writer"):
        branches.move("main", C, expected=first)
    assert branches.get("main") == (B, second)


def test_a_deleted_ref_is_gone_and_can_be_made_again(library: Library) -> None:
    branches = Refs(library, "r").branches
    branches.create("main", A)
    branches.delete("main")
    assert branches.find("main") is None
    with pytest.raises(RevisionNotFound, match="r: no branch main"):
        branches.get("main")
    branches.create("main", B)


def test_a_name_with_a_slash_is_none(library: Library) -> None:
    with pytest.raises(InvalidName):
        Refs(library, "r").branches.create("a/b", A)


@pytest.mark.parametrize("junk", [b"", b"{}", b'{"commit":5}', b'{"commit":"zz"}', b"\xff" * 40, b"[" * 5000])
def test_a_ref_that_is_none_is_corrupt(library: Library, tmp_path: Path, junk: bytes) -> None:
    Refs(library, "r").branches.create("main", A)
    (tmp_path / "store/repos/r/heads/main").write_bytes(junk)
    with pytest.raises(Corrupt, match="repos/r/heads/main: not a ref"):
        Refs(library, "r").branches.get("main")
