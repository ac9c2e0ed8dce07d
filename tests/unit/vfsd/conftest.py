"""A store with a repo `r`, ways to put into it, and file systems over it without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vfs.config.settings import Settings, default_settings
from vfs.control.spec import MountKind, MountSpec, View, new_id
from vfs.metrics.counters import Registry
from vfs.model.commit import StoredCommit
from vfs.model.revision import parse_revision
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.repos import create_repo
from vfs.repo.sources import parse_source
from vfsd.filesystem import FileSystem, build_filesystem
from vfsd.patience import Patience
from vfsd.trees import Trees

Put = Callable[..., StoredCommit]
Show = Callable[..., FileSystem]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return default_settings(
        store=f"file://{tmp_path}/store",
        state_dir=str(tmp_path / "state"),
        cache_dir=str(tmp_path / "cache"),
        author="tester@example.org",
        jobs=1,
        timeout=5.0,
    )


@pytest.fixture
def library(settings: Settings) -> Iterator[Library]:
    with Library.create(settings) as opened:
        create_repo(opened, "r")
        yield opened


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory whose content `put_source` commits."""
    directory = tmp_path / "source"
    directory.mkdir()
    return directory


@pytest.fixture
def put_source(library: Library, source: Path) -> Put:
    """`put_source("r@branch")` commits what is in `source`."""

    def call(revision: str = "r") -> StoredCommit:
        result = put(library, parse_revision(revision), [parse_source(f"{source}/")])
        assert result.stored is not None and not result.failures
        return result.stored

    return call


@pytest.fixture
def make_spec(settings: Settings, tmp_path: Path) -> Callable[..., MountSpec]:
    def make(kind: MountKind, *views: View) -> MountSpec:
        return MountSpec(id=new_id(), mountpoint=str(tmp_path / "mnt"), kind=kind, settings=settings, views=views)

    return make


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def show(library: Library, make_spec: Callable[..., MountSpec], patience: Patience) -> Show:
    """`show("rev", View(…))`: the file system of a mount, with nothing in memory yet."""

    def call(kind: MountKind, *views: View) -> FileSystem:
        return build_filesystem(make_spec(kind, *views), Trees(library, patience, Registry()))

    return call


@pytest.fixture
def show_commit(show: Show) -> Callable[..., FileSystem]:
    """`show_commit(stored, b"path")`: one commit, or what lies at a path of it."""

    def call(stored: StoredCommit, path: bytes = b"") -> FileSystem:
        return show("rev", View("", "r", stored.id.hex(), path))

    return call
