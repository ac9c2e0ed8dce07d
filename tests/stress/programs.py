"""Programs that use files in ways of their own: a database, git, a compiler, archives. Each raises when wronged."""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

Shell = Callable[..., str]

PROJECT = Path(__file__).resolve().parents[2]
UNITS = 12


def database(path: Path, journal: str, rows: int) -> None:
    """Transactions, some rolled back, under one kind of journal; sound and complete at the end."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        assert db.execute(f"PRAGMA journal_mode = {journal}").fetchone() == (journal,)
        db.execute("CREATE TABLE squares (n INTEGER PRIMARY KEY, square INTEGER, padding BLOB)")
        for first in range(0, rows, 100):
            db.execute("BEGIN IMMEDIATE")
            numbers = range(first, first + 100)
            db.executemany("INSERT INTO squares VALUES (?, ?, randomblob(200))", ((n, n * n) for n in numbers))
            db.execute("ROLLBACK" if first % 500 == 400 else "COMMIT")
        db.execute("DELETE FROM squares WHERE n % 3 = 1")
        db.execute("VACUUM")
        sound(db)
    finally:
        db.close()


def sound(db: sqlite3.Connection) -> None:
    """The database says of itself that it is whole, and its rows are what was put in."""
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("SELECT count(*) FROM squares WHERE square != n * n OR n % 3 = 1").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM squares").fetchone()[0] > 0


def clone(top: Path, shell: Shell) -> None:
    """This project's own history, cloned by copying, checked, committed to and packed anew."""
    shell(f"git -c safe.directory='*' clone -q --no-local --no-checkout '{PROJECT}' clone", cwd=top, timeout=150)
    shell("git reset -q --hard && git fsck --full --strict && git status --porcelain | wc -l", cwd=top / "clone")
    author = "-c user.name=t -c user.email=t@example.org"
    shell(f"echo more > more && git add more && git {author} commit -q -m more", cwd=top / "clone")
    shell("git gc -q && git fsck --full", cwd=top / "clone", timeout=150)


def build(top: Path, shell: Shell) -> None:
    """A C project of a dozen files, by two compilers at a time; rebuilt after a header changed."""
    top.mkdir()
    names = [f"unit{number}" for number in range(UNITS)]
    (top / "all.h").write_text("#define BASE 1\n" + "".join(f"int {name}(void);\n" for name in names))
    for number, name in enumerate(names):
        (top / f"{name}.c").write_text(f'#include "all.h"\nint {name}(void) {{ return BASE * {number}; }}\n')
    calls = " + ".join(f"{name}()" for name in names)
    (top / "main.c").write_text(
        f'#include <stdio.h>\n#include "all.h"\nint main(void) {{ printf("%d\\n", {calls}); return 0; }}\n'
    )
    objects = " ".join(f"{name}.o" for name in ["main", *names])
    (top / "Makefile").write_text(
        f"program: units.a\n\tgcc -o $@ units.a\nunits.a: {objects}\n\tar rcs $@ $^\n"
        "%.o: %.c all.h\n\tgcc -O1 -c -o $@ $<\n"
    )
    shell("make -s -j2", cwd=top, MAKEFLAGS="")
    total = sum(range(UNITS))
    assert shell("./program", cwd=top) == f"{total}\n"
    assert "program" in shell("make -n -W all.h", cwd=top, MAKEFLAGS="")
    (top / "all.h").write_text((top / "all.h").read_text().replace("BASE 1", "BASE 2"))
    shell("make -s -j2 && ./program > said", cwd=top, MAKEFLAGS="")
    assert (top / "said").read_text() == f"{2 * total}\n"


def archive(path: Path) -> None:
    """An archive of this project's own sources, with a link, a hard link and an empty directory."""
    root = path.parent / "packed"
    shutil.copytree(PROJECT / "vfs", root / "vfs", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "empty").mkdir()
    (root / "link").symlink_to("vfs/errors.py")
    (root / "errors.py").hardlink_to(root / "vfs/errors.py")
    (root / "vfs/errors.py").chmod(0o640)
    with tarfile.open(path, "w") as out:
        out.add(root, "packed")


def unpack(top: Path, archived: Path, shell: Shell) -> None:
    """What tar took out is, by content, mode, time and links, what rsync finds in the original."""
    shell(f"tar -xpf '{archived}'", cwd=top)
    compare = f"rsync -n -i -c -a -H -O --delete '{archived.parent}/packed/' packed/"
    assert shell(compare, cwd=top) == ""
    shell(f"rsync -a -H '{archived.parent}/packed/' copied/ && diff -r packed copied", cwd=top)
