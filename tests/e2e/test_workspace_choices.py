"""What of a writable mount is told and committed, over the real command: moves, patterns, `.vfsignore`, waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]
Mounted = Callable[..., Path]

pytestmark = [pytest.mark.mount, pytest.mark.root]


@pytest.fixture
def point(vfs: Vfs, repo: str, mounted: Mounted, isolated: Path) -> Path:
    """A writable mount of a commit with a few files."""
    source = isolated / "source"
    for name in ("docs/a.txt", "docs/b.txt", "src/main.c", "plain"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(f"content of {name}\n" * 50)
    (source / ".vfsignore").write_text("*.o\nbuild/\n")
    vfs("put", repo, f"{source}/")
    return mounted("--rw", repo)


def letters(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    return [line for line in done.stdout.decode().splitlines() if line[1:3] == "  " and line[0].isupper()]


def test_status_and_diff_tell_moves_and_modes(vfs: Vfs, point: Path) -> None:
    (point / "docs").rename(point / "texts")
    (point / "plain").rename(point / "src/plain.c")
    (point / "src/main.c").chmod(0o600)
    (point / "src/main.o").write_bytes(b"object")
    expected = ["R  docs -> texts", "P  src/main.c", "R  plain -> src/plain.c"]
    assert letters(vfs("diff", point)) == letters(vfs("status", point)) == expected
    assert letters(vfs("status", "--ignored", point)) == [*expected[:2], "I  src/main.o", expected[2]]
    found: list[dict[str, Any]] = json.loads(vfs("diff", "--json", point).stdout)
    assert [(one["kind"], one.get("from"), one["path"]) for one in found] == [
        ("renamed", "docs", "texts"), ("attributes", None, "src/main.c"), ("renamed", "plain", "src/plain.c"),
    ]  # fmt: skip
    assert b"2 moved, 1 touched" in vfs("diff", "--stat", point).stdout
    refused = vfs("status", "--ignored", ok=False)
    assert refused.returncode == 2 and refused.stderr.count(b"\n") == 1


def test_a_commit_in_parts(vfs: Vfs, point: Path) -> None:
    (point / "new").mkdir()
    for name in ("new/a.txt", "new/b.tmp", "c.txt", "main.o"):
        (point / name).write_bytes(b"x")
    vfs("commit", point, "--include", "new/", "--exclude", "*.tmp", "-m", "first")
    assert letters(vfs("status", point)) == ["A  c.txt", "A  new/b.tmp"]
    assert b"new/a.txt" in vfs("ls", "-R", "data").stdout or b"a.txt" in vfs("ls", "data:new").stdout
    vfs("commit", point, "-m", "second")
    assert letters(vfs("status", point)) == [] and b"main.o" not in vfs("ls", "data").stdout
    assert b"no change" in vfs("commit", point).stdout
    vfs("commit", point, "--no-ignore")
    assert b"main.o" in vfs("ls", "data").stdout
    refused = vfs("commit", point, "--include", "a\\", ok=False)
    assert refused.returncode == 2 and refused.stderr.decode().startswith("vfs: --include: ")


def test_a_commit_waits_for_writers_in_other_processes(vfs: Vfs, point: Path) -> None:
    program = "import sys, time; f = open(sys.argv[1], 'w'); f.write('a'); f.flush(); print(flush=True); time.sleep({})"
    words = [sys.executable, "-c", program.format(60), str(point / "busy")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        refused = vfs("commit", "--wait=0.2", point, ok=False)
        writer.kill()
    assert refused.returncode == 1 and f"vfs: {point}/busy: still open for writing" in refused.stderr.decode()
    assert b"nothing was committed" in refused.stderr
    words[2] = program.format(1) + "; f.write('b')"
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        vfs("commit", "--wait", point)
        assert writer.wait(timeout=20) == 0
    assert vfs("cat", "data:busy").stdout == b"ab"
    (point / "more").write_bytes(b"m")
    vfs("commit", point, "-m", "--wait")
    assert json.loads(vfs("show", "--json", "data").stdout)["message"] == "--wait"


def test_hard_links_are_one_file_in_a_fresh_mount(vfs: Vfs, point: Path, mounted: Mounted) -> None:
    os.link(point / "plain", point / "docs/plain-too")
    (point / "fresh").write_bytes(b"fresh")
    os.link(point / "fresh", point / "fresh-too")
    assert (point / "fresh").stat().st_nlink == 2
    vfs("commit", point)
    fresh = mounted("data")
    for one, other in (("plain", "docs/plain-too"), ("fresh", "fresh-too")):
        assert (fresh / one).read_bytes() == (fresh / other).read_bytes() == (point / one).read_bytes()
        assert (fresh / one).stat().st_nlink == (fresh / other).stat().st_nlink == 2
        assert (fresh / one).stat().st_ino == (fresh / other).stat().st_ino
