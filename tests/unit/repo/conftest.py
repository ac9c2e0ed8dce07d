"""A store, a library over it and a repo `r` in it; and short ways to put and to look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vfs.config.settings import Settings, default_settings
from vfs.model.entry import Entry
from vfs.model.revision import parse_revision
from vfs.repo.library import Library
from vfs.repo.put import PutResult, put
from vfs.repo.repos import create_repo
from vfs.repo.resolve import resolve
from vfs.repo.sources import parse_source


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return default_settings(
        store=f"file://{tmp_path}/store",
        state_dir=str(tmp_path / "state"),
        cache_dir=str(tmp_path / "cache"),
        author="tester@example.org",
        jobs=2,
    )


@pytest.fixture
def library(settings: Settings) -> Iterator[Library]:
    with Library.create(settings) as opened:
        create_repo(opened, "r")
        yield opened


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty directory for files to put."""
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


@pytest.fixture
def put_paths(library: Library) -> Callable[..., PutResult]:
    """`put_paths("r@b", path, "dir/", prefix=b"p")`."""

    def call(revision: str, *paths: str | bytes | Path, **options: object) -> PutResult:
        words = [parse_source(str(path) if isinstance(path, Path) else path) for path in paths]
        return put(library, parse_revision(revision), words, **options)

    return call


@pytest.fixture
def entries(library: Library) -> Callable[[str], dict[bytes, Entry]]:
    """All entries of a revision by path."""

    def call(revision: str) -> dict[bytes, Entry]:
        stored = resolve(library, parse_revision(revision)).stored
        return {entry.path: entry for entry in library.tree(stored).walk()}

    return call


@pytest.fixture
def content(library: Library) -> Callable[[str, bytes], bytes]:
    """The bytes of one file of a revision."""

    def call(revision: str, path: bytes) -> bytes:
        entry = library.tree(resolve(library, parse_revision(revision)).stored).get(path)
        return library.files.read(entry, 0, entry.size)

    return call
