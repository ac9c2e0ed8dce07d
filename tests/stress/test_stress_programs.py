"""Real programs in a writable mount: they find what they need there, and their files are whole in the commit."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from stress import manyfiles, programs
from stress.listing import differences, listing
from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(240)]

Shell = Callable[..., str]


@pytest.fixture
def begun(place: Place) -> Place:
    place.begin(lambda top: manyfiles.populate(top, 1, 20))
    return place


def committed(place: Place) -> Path:
    """A fresh mount of what the mount shows, compared with it."""
    shown = listing(place.mount)
    fresh = place.fresh()
    assert differences(shown, listing(fresh)) == []
    return fresh


def test_sqlite_with_both_journals(begun: Place) -> None:
    for journal in ("wal", "delete"):
        programs.database(begun.mount / f"{journal}.db", journal, 2000)
    fresh = committed(begun)
    for journal in ("wal", "delete"):
        db = sqlite3.connect(f"file:{fresh}/{journal}.db?mode=ro&immutable=1", uri=True)
        programs.sound(db)
        db.close()


@pytest.mark.skipif(not (programs.PROJECT / ".git").exists(), reason="these sources are not a git repository")
def test_git_clones_checks_and_packs_this_project(begun: Place, shell: Shell) -> None:
    programs.clone(begun.mount, shell)
    fresh = committed(begun)
    shell("git -c safe.directory='*' fsck --full", cwd=fresh / "clone")


def test_a_c_project_is_built_by_two_compilers_at_a_time(begun: Place, shell: Shell) -> None:
    programs.build(begun.mount / "project", shell)
    fresh = committed(begun)
    assert shell("./program", cwd=fresh / "project") == (fresh / "project/said").read_text()


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_an_archive_is_unpacked_and_compared(begun: Place, shell: Shell) -> None:
    archived = begun.directory / "archive.tar"
    programs.archive(archived)
    programs.unpack(begun.mount, archived, shell)
    committed(begun)
