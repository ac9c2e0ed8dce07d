"""Repos: made, listed, named when mistyped, deleted in an order that can be repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfs.config.settings import Settings
from vfs.errors import AlreadyExists, Corrupt, InvalidName, Refused, RepoNotFound, StoreFormat, StoreMissing
from vfs.repo.library import Library
from vfs.repo.refs import Refs
from vfs.repo.repos import create_repo, delete_repo, repo_info, repo_names, repos


def test_repos_are_listed_by_name_with_their_description(library: Library) -> None:
    create_repo(library, "images", "photographs")
    create_repo(library, "a-b")
    assert [info.name for info in repos(library)] == ["a-b", "images", "r"]
    assert repo_info(library, "images").description == "photographs"


def test_a_name_is_taken_once(library: Library) -> None:
    with pytest.raises(AlreadyExists, match="repo r: exists already"):
        create_repo(library, "r")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", ".hidden", "x" * 101])
def test_a_name_that_is_none(library: Library, name: str) -> None:
    with pytest.raises(InvalidName):
        create_repo(library, name)


def test_an_unknown_repo_names_the_nearest(library: Library) -> None:
    create_repo(library, "images")
    with pytest.raises(RepoNotFound) as raised:
        repo_info(library, "imges")
    assert str(raised.value) == ("repo imges: not in the store; did you mean images? vfs repo create imges makes it")


def test_an_unknown_repo_names_the_remedy(library: Library) -> None:
    with pytest.raises(RepoNotFound, match=r"^repo other: not in the store; vfs repo create other makes it$"):
        repo_info(library, "other")


def test_a_repo_that_is_deleted_while_repos_are_listed_is_passed_over(library: Library) -> None:
    names = [f"a{number:02d}" for number in range(40)]
    for name in names:
        create_repo(library, name)
    for listing in (repo_names(library), (info.name for info in repos(library))):
        assert next(listing) == names[0]
        # Some are asked for ahead; the last is not among them.
        delete_repo(library, names.pop())
        assert list(listing) == [*names[1:], "r"]


def test_the_cost_of_listing_repos_does_not_grow_with_their_history(
    library: Library, put_paths, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        (work / "f").write_bytes(b"%d" % number)
        put_paths("r", work / "f")
    asked: list[str] = []
    get = library.store.get
    monkeypatch.setattr(library.store, "list", None)
    monkeypatch.setattr(library.store, "get", lambda key, **part: asked.append(key) or get(key, **part))
    assert [info.name for info in repos(library)] == ["r"] == list(repo_names(library))
    assert asked == ["repos/r/repo.json"] * 2


def test_what_others_put_beside_the_repos_is_none(library: Library, tmp_path: Path) -> None:
    (tmp_path / "store/repos/+odd").mkdir()
    (tmp_path / "store/repos/empty").mkdir()
    (tmp_path / "store/repos/file").write_bytes(b"x")
    assert list(repo_names(library)) == ["r"]
    with pytest.raises(RepoNotFound, match=r"^repo emty: not in the store; vfs repo create"):
        repo_info(library, "emty")


def test_an_unknown_repo_in_an_empty_store(settings: Settings) -> None:
    with (
        Library.create(settings) as library,
        pytest.raises(RepoNotFound, match="which has no repos yet; vfs repo create x makes it"),
    ):
        repo_info(library, "x")


def test_a_repo_without_commits_is_deleted(library: Library) -> None:
    delete_repo(library, "r")
    assert list(repos(library)) == []


def test_a_repo_with_commits_is_deleted_by_force_alone(library: Library, put_paths, work: Path) -> None:
    (work / "f").write_bytes(b"x")
    put_paths("r", work / "f")
    with pytest.raises(Refused, match="has commits"):
        delete_repo(library, "r")
    assert repo_info(library, "r").name == "r"
    delete_repo(library, "r", force=True)
    with pytest.raises(RepoNotFound):
        repo_info(library, "r")
    create_repo(library, "r")
    assert list(Refs(library, "r").branches.list()) == []


def test_a_delete_that_was_cut_short_is_repeated(library: Library, put_paths, work: Path, monkeypatch) -> None:
    (work / "f").write_bytes(b"x")
    put_paths("r", work / "f")
    with monkeypatch.context() as patch:
        patch.setattr(library.store, "delete", _cut_short)
        with pytest.raises(InterruptedError):
            delete_repo(library, "r", force=True)
    assert repo_info(library, "r").name == "r"
    delete_repo(library, "r", force=True)
    assert list(library.store.list("repos/")) == []


def _cut_short(key: str) -> None:
    raise InterruptedError(key)


def test_junk_in_repo_json_is_corrupt(library: Library, tmp_path: Path) -> None:
    (tmp_path / "store/repos/r/repo.json").write_bytes(b"{]")
    with pytest.raises(Corrupt, match=r"repo r: repos/r/repo\.json cannot be decoded"):
        repo_info(library, "r")


def test_a_store_that_is_not_there(settings: Settings) -> None:
    with pytest.raises(StoreMissing):
        Library.open(settings)


def test_a_store_of_a_newer_format_is_refused(library: Library, settings: Settings, tmp_path: Path) -> None:
    marker = tmp_path / "store/vfs.json"
    marker.write_bytes(marker.read_bytes().replace(b'"format":1', b'"format":2'))
    with pytest.raises(StoreFormat, match="format 2"):
        Library.open(settings)


def test_the_index_of_known_chunks_is_private_and_made_for_writers_only(settings: Settings, tmp_path: Path) -> None:
    with Library.create(settings) as library:
        assert not (tmp_path / "cache").exists()
        library.writer()
    assert os.stat(tmp_path / "cache/known").st_mode & 0o777 == 0o700
