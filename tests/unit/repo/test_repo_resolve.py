"""From words to commits, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from vfs.errors import AmbiguousRevision, Corrupt, Refused, RepoNotFound, RevisionNotFound, UsageError
from vfs.model.commit import Commit, Locations, StoredCommit
from vfs.model.entry import BlobRef
from vfs.model.ids import short
from vfs.model.revision import parse_revision
from vfs.repo.commits import by_prefix, commit_ids, write_commit
from vfs.repo.library import Library
from vfs.repo.refs import Refs
from vfs.repo.repos import create_repo
from vfs.repo.resolve import resolve, resolve_branch


def chain(library: Library, count: int, branch: str = "main") -> list[StoredCommit]:
    """`count` commits in a row, the branch on the last; oldest first."""
    made: list[StoredCommit] = []
    for number in range(count):
        root = BlobRef(bytes([number % 256]) * 32, 1, bytes(16), 0, 1)
        commit = Commit(
            repo="r",
            parents=(made[-1].id,) if made else (),
            root=root.digest,
            entries=1,
            size=0,
            author="a",
            time_ns=number,
            message=f"{branch} {number}",
        )
        made.append(StoredCommit(write_commit(library, commit, Locations(root)), commit, Locations(root)))
    Refs(library, "r").branches.create(branch, made[-1].id)
    return made


def test_branch_tag_and_prefix(library: Library) -> None:
    old, new = chain(library, 2)
    Refs(library, "r").tags.create("v1", old.id)
    assert resolve(library, parse_revision("r")).stored == new
    assert resolve(library, parse_revision("r@main:a/b")).path == b"a/b"
    assert resolve(library, parse_revision("r@main")).branch == "main"
    assert resolve(library, parse_revision("r@v1")).stored == old
    assert resolve(library, parse_revision("r@v1")).branch is None
    assert resolve(library, parse_revision(f"r@{short(old.id)}")).stored == old
    assert resolve(library, parse_revision(f"r@{old.id.hex()}")).branch is None


def test_a_branch_goes_before_a_tag_and_a_tag_before_a_commit(library: Library) -> None:
    old, new = chain(library, 2)
    refs = Refs(library, "r")
    name = old.id.hex()[:4]
    assert resolve(library, parse_revision(f"r@{name}")).stored == old
    refs.tags.create(name, new.id)
    assert resolve(library, parse_revision(f"r@{name}")).stored == new
    refs.branches.create(name, old.id)
    assert resolve(library, parse_revision(f"r@{name}")).stored == old


def test_back_along_first_parents(library: Library) -> None:
    made = chain(library, 3)
    assert resolve(library, parse_revision("r~2")).stored == made[0]
    with pytest.raises(RevisionNotFound, match="r~3: the history has only 3 commits"):
        resolve(library, parse_revision("r~3"))


def test_an_ambiguous_prefix_lists_the_candidates(library: Library) -> None:
    made = chain(library, 3)
    for first in "0123456789abcdef":
        id = bytes.fromhex(("abcd" + first) + "0" * 59)
        library.store.put(f"repos/r/commits/{id.hex()}", b"x")
    with pytest.raises(AmbiguousRevision, match=r"r@abcd: 16 commits start so: abcd00000000, .* and 8 more"):
        resolve(library, parse_revision("r@abcd"))
    assert len(by_prefix(library, "r", "abcd")) == 16
    assert {stored.id for stored in made} < set(commit_ids(library, "r"))


def test_three_digits_are_no_prefix(library: Library) -> None:
    made = chain(library, 1)
    with pytest.raises(RevisionNotFound, match="no branch, tag or commit"):
        resolve(library, parse_revision(f"r@{made[0].id.hex()[:3]}"))


def test_unknown_names_get_a_hint(library: Library) -> None:
    chain(library, 1)
    create_repo(library, "photographs")
    with pytest.raises(RevisionNotFound, match=r"r@mian: no branch, tag or commit mian; did you mean main\?"):
        resolve(library, parse_revision("r@mian"))
    with pytest.raises(RepoNotFound, match="did you mean photographs"):
        resolve(library, parse_revision("photograph@x"))


def test_a_repo_without_commits(library: Library) -> None:
    with pytest.raises(RevisionNotFound, match="r: no commits yet"):
        resolve(library, parse_revision("r"))
    create_repo(library, "q")
    chain(library, 1, branch="dev")
    with pytest.raises(RevisionNotFound, match="r: no branch main; there is dev"):
        resolve(library, parse_revision("r"))


def test_a_branch_whose_commit_is_lost_is_corrupt(library: Library, tmp_path: Path) -> None:
    made = chain(library, 1)
    library.store.delete(f"repos/r/commits/{made[0].id.hex()}")
    with pytest.raises(Corrupt, match=f"r: commit {made[0].id.hex()} is missing from the store"):
        resolve(library, parse_revision("r"))


def test_a_commit_object_that_was_altered_is_corrupt(library: Library, tmp_path: Path) -> None:
    made = chain(library, 1)
    path = tmp_path / f"store/repos/r/commits/{made[0].id.hex()}"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=made[0].id.hex()[:12]):
        resolve(library, parse_revision("r"))


def test_only_a_branch_is_committed_to(library: Library) -> None:
    old, new = chain(library, 2)
    Refs(library, "r").tags.create("v1", old.id)
    assert resolve_branch(library, parse_revision("r")).head == new
    assert resolve_branch(library, parse_revision("r@fresh")).head is None
    with pytest.raises(Refused, match="r@v1: is a tag"):
        resolve_branch(library, parse_revision("r@v1"))
    with pytest.raises(Refused, match="is a commit"):
        resolve_branch(library, parse_revision(f"r@{short(old.id)}"))
    with pytest.raises(UsageError):
        resolve_branch(library, parse_revision("r~1"))
    with pytest.raises(RepoNotFound):
        resolve_branch(library, parse_revision("rr@x"))
