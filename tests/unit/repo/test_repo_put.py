"""Where puts land, what they replace, and what they refuse before anything is read."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from vfs.errors import (
    IsADirectory,
    NameTooLong,
    NotADirectory,
    NotFound,
    Refused,
    RepoNotFound,
    UsageError,
)
from vfs.model.entry import Kind
from vfs.model.revision import parse_revision
from vfs.repo.history import log
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.resolve import resolve
from vfs.repo.sources import Source, parse_source


def small_tree(work: Path) -> Path:
    top = work / "top"
    (top / "sub").mkdir(parents=True)
    (top / "a").write_bytes(b"alpha")
    (top / "sub/b").write_bytes(b"beta" * 1000)
    os.utime(top / "sub", ns=(1, 1_500_000_000_123_456_789))
    os.utime(top, ns=(1, 1_400_000_000_000_000_001))
    top.chmod(0o750)
    return top


def test_a_path_lands_under_its_base_name(put_paths, entries, content, work: Path) -> None:
    top = small_tree(work)
    result = put_paths("r", top, top / "a")
    assert result.changed and not result.failures and not result.warnings
    assert list(entries("r")) == [b"", b"a", b"top", b"top/a", b"top/sub", b"top/sub/b"]
    assert content("r", b"top/sub/b") == b"beta" * 1000
    assert entries("r")[b"top"].mode == 0o750


def test_a_trailing_slash_puts_what_is_in_the_directory(put_paths, entries, work: Path) -> None:
    top = small_tree(work)
    put_paths("r", f"{top}/")
    found = entries("r")
    assert list(found) == [b"", b"a", b"sub", b"sub/b"]
    assert (found[b""].mode, found[b""].mtime_ns) == (0o750, 1_400_000_000_000_000_001)
    assert found[b"sub"].mtime_ns == 1_500_000_000_123_456_789


def test_a_prefix_takes_mode_and_mtime_of_the_directory_put_there(put_paths, entries, work: Path) -> None:
    top = small_tree(work)
    put_paths("r", f"{top}/", prefix=b"x/y")
    found = entries("r")
    assert list(found) == [b"", b"x", b"x/y", b"x/y/a", b"x/y/sub", b"x/y/sub/b"]
    assert (found[b"x/y"].mode, found[b"x/y"].mtime_ns) == (0o750, 1_400_000_000_000_000_001)
    assert found[b"x"].mode == 0o755


def test_the_rest_of_the_tree_stays(put_paths, entries, content, work: Path) -> None:
    top = small_tree(work)
    put_paths("r", top)
    (top / "a").unlink()
    (top / "new").write_bytes(b"new")
    put_paths("r", top)
    assert content("r", b"top/a") == b"alpha"
    assert content("r", b"top/new") == b"new"


def test_the_same_again_makes_no_commit(library: Library, put_paths, work: Path) -> None:
    top = small_tree(work)
    first = put_paths("r", top)
    again = put_paths("r", top)
    assert first.changed and not again.changed
    assert again.stored == first.stored
    assert len(list(log(library, resolve(library, parse_revision("r"))))) == 1


def test_what_a_commit_says(put_paths, work: Path) -> None:
    top = small_tree(work)
    commit = put_paths("r", top, message="first words").stored.commit
    assert (commit.repo, commit.parents, commit.message, commit.author) == (
        "r",
        (),
        "first words",
        "tester@example.org",
    )
    assert (commit.entries, commit.size) == (5, 4005)
    assert put_paths("r@dev", top / "a", author="me").stored.commit.author == "me"
    assert put_paths("r@other", top / "a").stored.commit.message == "put a"


def test_standard_input_lands_at_the_prefix(library: Library, entries, content) -> None:
    data = b"line\n" * 300_000
    put(library, parse_revision("r"), [parse_source("-")], prefix=b"logs/today", stdin=io.BytesIO(data))
    assert content("r", b"logs/today") == data
    assert list(entries("r")) == [b"", b"logs", b"logs/today"]


def test_standard_input_replaces_a_file_and_makes_its_parents(library: Library, entries, content) -> None:
    def put_bytes(path: bytes, data: bytes) -> None:
        put(library, parse_revision("r"), [parse_source("-")], prefix=path, stdin=io.BytesIO(data))

    put_bytes(b"logs/today", b"first")
    put_bytes(b"logs/today", b"second")
    put_bytes(b"top", b"at the top")
    assert content("r", b"logs/today") == b"second"
    assert content("r", b"top") == b"at the top"
    with pytest.raises(NotADirectory, match="logs/today: not a directory in the branch"):
        put_bytes(b"logs/today/below", b"x")
    with pytest.raises(IsADirectory, match="logs: a directory in the branch"):
        put_bytes(b"logs", b"x")
    assert list(entries("r")) == [b"", b"logs", b"top", b"logs/today"]


@pytest.mark.parametrize(
    ("words", "prefix", "why"),
    [
        (["-"], b"", "standard input has no name"),
        (["-", "x"], b"p", "cannot be put together"),
        ([], b"", "nothing named to put"),
        (["a/x", "b/x"], b"", "x: two of the paths would land under this name"),
    ],
)
def test_words_that_do_not_fit_together(library: Library, words: list[str], prefix: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        put(library, parse_revision("r"), [parse_source(word) for word in words], prefix=prefix)


def test_the_kinds_of_words() -> None:
    assert parse_source("a/b") == Source(b"a/b")
    assert parse_source("a/b/") == Source(b"a/b/", contents=True)
    assert parse_source(".") == Source(b".", contents=True)
    assert parse_source("x/..") == Source(b"x/..", contents=True)
    assert parse_source("/") == Source(b"/", contents=True)
    assert parse_source("-") == Source(b"-", stdin=True)
    assert parse_source("./-") == Source(b"./-")
    with pytest.raises(UsageError):
        parse_source("")


def test_an_unknown_repo_and_a_missing_path_change_nothing(library: Library, put_paths, work: Path) -> None:
    with pytest.raises(RepoNotFound):
        put_paths("nope", work)
    (work / "there").write_bytes(b"x")
    with pytest.raises(NotFound, match="missing: no such file or directory"):
        put_paths("r", work / "there", work / "missing")
    with pytest.raises(NotADirectory, match="there/: not a directory"):
        put_paths("r", f"{work}/there/")
    assert list(library.store.list("packs/")) == []


def test_a_file_does_not_take_the_place_of_a_directory(put_paths, work: Path) -> None:
    top = small_tree(work)
    put_paths("r", top)
    (work / "other").mkdir()
    (work / "other/top").write_bytes(b"x")
    with pytest.raises(IsADirectory, match="top: a directory in the branch"):
        put_paths("r", work / "other/top")
    with pytest.raises(NotADirectory, match="top/a: not a directory in the branch"):
        put_paths("r", work / "other/top", prefix=b"top/a/b")


def test_a_directory_takes_the_place_of_a_file_below_a_put_directory(put_paths, entries, work: Path) -> None:
    top = small_tree(work)
    put_paths("r", top)
    (top / "a").unlink()
    (top / "a").mkdir()
    (top / "a/in").write_bytes(b"in")
    (top / "sub/b").unlink()
    (top / "sub").rmdir()
    (top / "sub").write_bytes(b"a file now")
    put_paths("r", top)
    assert list(entries("r")) == [b"", b"top", b"top/a", b"top/sub", b"top/a/in"]
    assert entries("r")[b"top/sub"].kind is Kind.FILE


def test_two_directories_are_laid_over_one_another(put_paths, content, work: Path) -> None:
    for name in ("one", "two"):
        (work / name / "d").mkdir(parents=True)
        (work / name / "d/both").write_bytes(name.encode())
        (work / name / name).write_bytes(b"x")
    put_paths("r", f"{work}/one/", f"{work}/two/")
    assert content("r", b"d/both") == b"two"
    assert content("r", b"one") == content("r", b"two") == b"x"


def test_a_symlink_named_is_stored_itself(put_paths, entries, work: Path) -> None:
    (work / "dir").mkdir()
    (work / "dir/f").write_bytes(b"x")
    (work / "link").symlink_to("dir")
    put_paths("r", work / "link")
    assert list(entries("r")) == [b"", b"link"]
    assert entries("r")[b"link"].target == b"dir"
    put_paths("r", f"{work}/link/", prefix=b"in")
    assert b"in/f" in entries("r")


def test_a_store_is_not_put_into_itself(library: Library, put_paths, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for path in (tmp_path, tmp_path / "store", tmp_path / "store/packs", tmp_path / "state"):
        with pytest.raises((Refused, NotFound)):
            put_paths("r", path)
    with pytest.raises(Refused, match="cannot be put into itself"):
        put_paths("r", tmp_path)
    (tmp_path / "link").symlink_to("store")
    with pytest.raises(Refused, match=r"lies in the store|holds the store"):
        put_paths("r", f"{tmp_path}/link/")
    assert put_paths("r", tmp_path / "link").changed


def test_long_paths_are_refused_by_name(put_paths, work: Path) -> None:
    (work / "f").write_bytes(b"x")
    with pytest.raises(NameTooLong):
        put_paths("r", work / "f", prefix=b"/".join([b"d" * 250] * 17))


class Told:
    def __init__(self) -> None:
        self.starts: list[int | None] = []
        self.bytes = self.files = 0

    def start(self, total_bytes: int | None) -> None:
        self.starts.append(total_bytes)

    def advance(self, bytes: int, files: int) -> None:
        self.bytes += bytes
        self.files += files


def test_progress_is_told_of_all_bytes_and_files(put_paths, work: Path) -> None:
    top = small_tree(work)
    (top / "large").write_bytes(os.urandom(3 << 20))
    told = Told()
    put_paths("r", top, progress=told)
    assert (told.starts, told.bytes, told.files) == ([None], 4005 + (3 << 20), 3)
