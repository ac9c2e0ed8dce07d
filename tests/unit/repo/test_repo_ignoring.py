"""What a `.vfsignore` keeps out of a put: the rules of gitignore, counted, never what the branch has already."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vfs.errors import Refused, UsageError
from vfs.model.revision import parse_revision
from vfs.repo.ignoring import SIZE_MAX
from vfs.repo.library import Library
from vfs.repo.put import PutResult, put
from vfs.repo.sources import parse_source

Put = Callable[..., PutResult]
Entries = Callable[..., dict[bytes, Any]]


@pytest.fixture
def put_all(library: Library) -> Put:
    def run(*paths: object, ignoring: bool = True) -> PutResult:
        sources = [parse_source(str(path)) for path in paths]
        return put(library, parse_revision("r"), sources, ignoring=ignoring)

    return run


def filled(top: Path, **files: str) -> Path:
    for name, text in files.items():
        path = top / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return top


def project(work: Path) -> Path:
    top = filled(work / "top", a_txt="a", a_log="1", sub__b_log="2", sub__keep_log="3", build__o="4", build__p__q="5")
    (top / ".vfsignore").write_text("*.log\nbuild/\n!keep.log\n")
    return top


def test_patterns_keep_new_paths_out_and_are_counted(put_all: Put, entries: Entries, work: Path) -> None:
    result = put_all(f"{project(work)}/")
    assert list(entries("r")) == [b"", b".vfsignore", b"a.txt", b"sub", b"sub/keep.log"]
    assert result.warnings == ("3 ignored paths: left out, as .vfsignore says",)
    assert not result.failures


def test_they_speak_of_what_is_below_their_directory_wherever_that_lands(
    put_all: Put, entries: Entries, work: Path
) -> None:
    top = project(work)
    filled(work / "other", x_log="not ignored")
    put_all(top, work / "other")
    assert b"top/a.log" not in entries("r") and b"top/sub/keep.log" in entries("r")
    assert b"other/x.log" in entries("r")


def test_the_deepest_file_that_says_something_counts(put_all: Put, entries: Entries, work: Path) -> None:
    top = project(work)
    (top / "sub" / ".vfsignore").write_text("!b.log\nkeep.log\n")
    put_all(f"{top}/")
    assert b"sub/b.log" in entries("r") and b"sub/keep.log" not in entries("r")


def test_what_the_branch_has_is_put_again_and_nothing_new_beside_it(
    put_all: Put, entries: Entries, content: Callable[[str, bytes], bytes], work: Path
) -> None:
    top = project(work)
    put_all(f"{top}/", ignoring=False)
    assert b"build/p/q" in entries("r")
    (top / "build" / "o").write_text("changed")
    (top / "build" / "new").write_text("new in an ignored directory")
    (top / "c.log").write_text("new")
    result = put_all(f"{top}/")
    assert content("r", b"build/o") == b"changed"
    assert b"build/new" not in entries("r") and b"c.log" not in entries("r")
    assert result.warnings == ("2 ignored paths: left out, as .vfsignore says",)


def test_what_is_named_itself_is_never_ignored(put_all: Put, entries: Entries, work: Path) -> None:
    top = project(work)
    put_all(top / "a.log", top / "build")
    assert set(entries("r")) >= {b"a.log", b"build/o", b"build/p/q"}


def test_a_bad_file_of_patterns_is_named_and_nothing_is_put(put_all: Put, entries: Entries, work: Path) -> None:
    top = project(work)
    (top / "sub" / ".vfsignore").write_text("*a*b*c*d*e*f*g*\n")
    with pytest.raises(UsageError, match=r"sub/\.vfsignore: .*wildcards"):
        put_all(f"{top}/")
    (top / "sub" / ".vfsignore").write_text("x\n" * SIZE_MAX)
    with pytest.raises(Refused, match=r"sub/\.vfsignore: \d+ bytes"):
        put_all(f"{top}/")


def test_a_symlink_of_that_name_is_followed_by_nobody(put_all: Put, entries: Entries, work: Path) -> None:
    top = filled(work / "top", a_log="1")
    filled(work, rules="*.log")
    os.symlink(work / "rules", top / ".vfsignore")
    put_all(f"{top}/")
    assert set(entries("r")) == {b"", b".vfsignore", b"a.log"}
