"""The branch a run commits to, and the message of a commit that was given none."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from vfs.config.settings import default_settings
from vfs.errors import Refused, StoreFull
from vfs.model.revision import Revision, parse_revision
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.refs import Refs
from vfs.repo.repos import create_repo, repo_names
from vfs.repo.sources import parse_source
from vfs.run.target import default_message, find_target, made


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    settings = default_settings(
        store=f"file://{tmp_path}/store", state_dir=str(tmp_path / "state"), cache_dir=str(tmp_path / "cache")
    )
    (tmp_path / "file").write_text("x")
    with Library.create(settings) as opened:
        yield opened


def names(library: Library) -> list[str]:
    return list(repo_names(library))


def commit(library: Library, tmp_path: Path, repo: str) -> None:
    put(library, parse_revision(repo), [parse_source(str(tmp_path / "file"))])


def test_a_repo_is_made_with_its_first_commit_and_not_before(library: Library, tmp_path: Path) -> None:
    target = find_target(library, Revision("new", "side"))
    assert (target.branch.repo, target.branch.branch, target.branch.head) == ("new", "side", None)
    assert target.absent and names(library) == []
    with made(library, target) as created:
        commit(library, tmp_path, "new@side")
    assert created and names(library) == ["new"]


def test_a_commit_that_fails_leaves_no_repo_that_was_made_for_it(library: Library) -> None:
    target = find_target(library, Revision("new"))
    with pytest.raises(StoreFull), made(library, target):
        raise StoreFull("store: full")
    assert names(library) == []


def test_a_repo_that_others_use_meanwhile_stays(library: Library, tmp_path: Path) -> None:
    target = find_target(library, Revision("new"))
    with pytest.raises(StoreFull), made(library, target):
        commit(library, tmp_path, "new@other")
        raise StoreFull("store: full")
    assert names(library) == ["new"]
    assert [ref.name for ref in Refs(library, "new").branches.list()] == ["other"]


def test_a_repo_that_is_there_is_left_alone(library: Library, tmp_path: Path) -> None:
    early = find_target(library, Revision("old"))
    create_repo(library, "old")
    for target in (early, find_target(library, Revision("old"))):
        with pytest.raises(StoreFull), made(library, target) as created:
            assert not created
            raise StoreFull("store: full")
    assert names(library) == ["old"]
    commit(library, tmp_path, "old")
    Refs(library, "old").tags.create("v1", Refs(library, "old").branches.get("main")[0])
    with pytest.raises(Refused, match="is a tag"):
        find_target(library, Revision("old", "v1"))


def test_the_default_message_is_the_command_as_a_shell_reads_it() -> None:
    words = ["sh", "-c", "sort /pfs/data/* > '/pfs/out/a b'", ""]
    assert shlex.split(default_message([word.encode() for word in words])) == words
    assert default_message([b"cat", b"two words", b"\xff\n"]) == r"cat 'two words' '\xff\n'"
    long = default_message([b"echo", *[b"word"] * 100])
    assert len(long) == 200 and long.startswith("echo word word") and long.endswith("…")
