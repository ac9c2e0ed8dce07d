"""Real programs in a writable mount: what they wrote is there, survives a remount, and becomes a commit."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.mount, pytest.mark.timeout(240)]

Vfs = Callable[..., Any]
Shell = Callable[..., str]
Mounted = Callable[..., Path]

MAKEFILE = """\
OBJECTS = main.o sum.o
program: $(OBJECTS)
\tcc -o $@ $(OBJECTS)
%.o: %.c sum.h
\tcc -O1 -c -o $@ $<
"""
MAIN = '#include <stdio.h>\n#include "sum.h"\nint main(void) { printf("%d\\n", sum(40, 2)); return 0; }\n'


@pytest.fixture
def project(isolated: Path, repo: str, vfs: Vfs) -> str:
    """A repo with a small C project."""
    source = isolated / "project"
    source.mkdir()
    (source / "Makefile").write_text(MAKEFILE)
    (source / "main.c").write_text(MAIN)
    (source / "sum.h").write_text("int sum(int a, int b);\n")
    (source / "sum.c").write_text('#include "sum.h"\nint sum(int a, int b) { return a + b; }\n')
    vfs("put", repo, f"{source}/")
    return repo


def test_a_c_program_is_built_and_committed(project: str, vfs: Vfs, mounted: Mounted, shell: Shell) -> None:
    mount = mounted("--rw", project)
    shell("make -s", cwd=mount)
    assert shell("./program", cwd=mount) == "42\n"
    assert "program" in vfs("status", mount).stdout.decode()
    (mount / "sum.c").write_text('#include "sum.h"\nint sum(int a, int b) { return a - b; }\n')
    shell("make -s", cwd=mount)
    assert shell("./program", cwd=mount) == "38\n"
    vfs("commit", mount, "-m", "built")
    clean = mounted(project)
    assert shell("./program", cwd=clean) == "38\n"
    assert sorted(os.listdir(clean)) == sorted(os.listdir(mount))


def test_git_clones_into_it_and_its_repository_is_sound(
    isolated: Path, project: str, vfs: Vfs, mounted: Mounted, shell: Shell
) -> None:
    origin = isolated / "origin"
    as_tester = "git -c user.name=t -c user.email=t@example.org -c init.defaultBranch=main"
    origin.mkdir()
    shell(
        f"{as_tester} init -q; for n in $(seq 30); do seq $n 2000 > file$n; {as_tester} add file$n; "
        f"{as_tester} commit -q -m $n; done",
        cwd=origin,
    )
    mount = mounted("--rw", project)
    shell(f"git clone -q --no-local {origin} {mount}/clone")
    shell("git fsck --full --strict", cwd=mount / "clone")
    shell(f"seq 7 > new; git add new; {as_tester} commit -q -m new; git gc -q; git fsck --full", cwd=mount / "clone")
    head = shell("git rev-parse HEAD", cwd=mount / "clone")
    vfs("commit", mount, "-m", "a clone")
    clean = mounted(project)
    safe = f"git -c safe.directory={clean}/clone"
    assert shell(f"{safe} rev-parse HEAD", cwd=clean / "clone") == head
    shell(f"{safe} fsck --full", cwd=clean / "clone")
    shell(f"diff -r --no-dereference {mount} {clean}")


def test_a_database_works_in_it_and_is_whole_in_the_commit(
    project: str, vfs: Vfs, mounted: Mounted, shell: Shell
) -> None:
    mount = mounted("--rw", project)
    with sqlite3.connect(mount / "data.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE squares (n INTEGER PRIMARY KEY, square INTEGER)")
        db.executemany("INSERT INTO squares VALUES (?, ?)", ((n, n * n) for n in range(20_000)))
    db.execute("DELETE FROM squares WHERE n % 2")
    db.commit()
    db.execute("VACUUM")
    db.close()
    vfs("commit", mount, "-m", "a database")
    clean = mounted(project)
    with sqlite3.connect(f"file:{clean}/data.db?mode=ro&immutable=1", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*), max(square) FROM squares").fetchone() == (10_000, 19_998**2)
    db.close()


def test_what_was_written_survives_unmount_and_remount(project: str, vfs: Vfs, mounted: Mounted) -> None:
    mount = mounted("--rw", project)
    (mount / "notes.txt").write_text("kept\n")
    (mount / "sum.c").unlink()
    (mount / "Makefile").rename(mount / "makefile.old")
    vfs("umount", mount)
    assert os.listdir(mount) == []
    vfs("mount", "--rw", project, mount)
    assert (mount / "notes.txt").read_text() == "kept\n"
    assert sorted(os.listdir(mount)) == ["main.c", "makefile.old", "notes.txt", "sum.h"]
    vfs("commit", mount, "-m", "tidied")
    assert vfs("ls", project).stdout.split() == [b"main.c", b"makefile.old", b"notes.txt", b"sum.h"]


def test_discard_throws_it_away(project: str, vfs: Vfs, mounted: Mounted) -> None:
    mount = mounted("--rw", project)
    (mount / "notes.txt").write_text("not kept\n")
    vfs("umount", mount)
    vfs("discard", mount)
    vfs("mount", "--rw", project, mount)
    assert not (mount / "notes.txt").exists()
    assert vfs("log", project).stdout.count(b"\ncommit ") + vfs("log", project).stdout.startswith(b"commit ") == 1
