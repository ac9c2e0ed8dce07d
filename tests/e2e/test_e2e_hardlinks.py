"""Hard links over the real command: names of one file go into a commit and come out of it as they were."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]
Mounted = Callable[..., Path]

pytestmark = [pytest.mark.mount, pytest.mark.root]

ONE = {"a", "m/b", "z/deep/c"}
TWO = {"m/one", "m/two"}


@pytest.fixture
def source(isolated: Path) -> Path:
    """Two files of several names, one file with a name outside, and some of one name."""
    top = isolated / "source"
    (top / "z/deep").mkdir(parents=True)
    (top / "m").mkdir()
    (top / "a").write_bytes(os.urandom(300_000))
    os.link(top / "a", top / "m/b")
    os.link(top / "a", top / "z/deep/c")
    (top / "m/one").write_bytes(b"small")
    os.link(top / "m/one", top / "m/two")
    (top / "alone").write_bytes(b"its other name is not put")
    os.link(top / "alone", isolated / "outside")
    for number in range(30):
        (top / f"m/plain{number:02}").write_bytes(b"%d" % number)
    (top / "symbolic").symlink_to("a")
    return top


def groups(top: Path) -> list[set[str]]:
    """The names of each file of several, by inode; its link count says as many."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for directory, _, names in os.walk(top):
        for line in os.scandir(directory):
            assert line.inode() == line.stat(follow_symlinks=False).st_ino
        for name in names:
            path = Path(directory, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[status.st_ino].add(str(path.relative_to(top)))
    for names in found.values():
        assert {(top / name).stat().st_nlink for name in names} == {len(names)}
    return sorted((names for names in found.values() if len(names) > 1), key=min)


def said(top: Path) -> dict[str, tuple[object, ...]]:
    """What lies below `top`: type, mode, size, mtime, number of names, content."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, directories, names in os.walk(top):
        for name in (*directories, *names):
            path = Path(directory, name)
            status = path.lstat()
            regular = stat.S_ISREG(status.st_mode)
            content = path.read_bytes() if regular else None
            shown = (status.st_size, status.st_nlink) if regular else ()
            found[str(path.relative_to(top))] = (status.st_mode, status.st_mtime_ns, *shown, content)
    return found


def clean(vfs: Vfs, point: Path) -> bool:
    """Whether nothing is left to commit."""
    return not [line for line in vfs("status", point).stdout.decode().splitlines() if line[1:3] == "  "]


def test_names_of_one_file_come_out_as_they_went_in(
    vfs: Vfs, repo: str, mounted: Mounted, source: Path, isolated: Path, shell: Callable[..., str]
) -> None:
    vfs("put", repo, f"{source}/")
    again = vfs("put", repo, f"{source}/")
    assert b"no change" in again.stdout or len(vfs("log", repo, "--json").stdout.splitlines()) == 1
    os.unlink(isolated / "outside")
    fresh = mounted(repo)
    assert groups(fresh) == groups(source) == [ONE, TWO]
    assert said(fresh) == said(source)
    inode = (fresh / "a").stat().st_ino
    below = mounted(f"{repo}:z/deep")
    assert (below / "c").stat().st_nlink == 3 and (below / "c").read_bytes() == (source / "a").read_bytes()
    shell(f"cp -a {fresh}/. {isolated}/copy && mkdir {isolated}/tar")
    shell(f"tar --format=posix -C {fresh} -cf {isolated}/t.tar . && tar -C {isolated}/tar -xf {isolated}/t.tar")
    assert (isolated / "t.tar").stat().st_size < 400_000
    if shutil.which("rsync"):
        assert shell(f"rsync -aHn --checksum --delete -i {source}/ {fresh}/ | grep -v '^[.]d' || true") == ""
    vfs("export", repo, isolated / "exported")
    for copy in ("copy", "tar", "exported"):
        assert groups(isolated / copy) == [ONE, TWO]
        assert said(isolated / copy) == said(source), copy
    vfs("export", f"{repo}:m", isolated / "part")
    assert groups(isolated / "part") == [{"one", "two"}]
    assert vfs("verify", repo).returncode == 0
    # By another way, and after the kernel forgot everything, the number is the same.
    second = mounted(repo)
    assert (second / "z/deep/c").stat().st_ino == inode


def test_what_is_done_to_names_in_a_writable_mount_is_committed(
    vfs: Vfs, repo: str, mounted: Mounted, source: Path
) -> None:
    os.unlink(source.parent / "outside")
    for name in ("k1", "k2", "k3", "u1", "u2", "u3", "r1", "r2"):
        (source / name).write_bytes(name[:1].encode() * 5000)
    for first, *others in (("k1", "k2", "k3"), ("u1", "u2", "u3"), ("r1", "r2")):
        for other in others:
            (source / other).unlink()
            os.link(source / first, source / other)
    vfs("put", repo, f"{source}/")
    point = mounted("--rw", repo)
    assert groups(point) == [ONE, {"k1", "k2", "k3"}, TWO, {"r1", "r2"}, {"u1", "u2", "u3"}]
    # A write through one name parts it from the others: they go on showing the commit.
    with open(point / "k2", "ab") as file:
        file.write(b"more")
    assert (point / "k1").read_bytes() == (point / "k3").read_bytes() == b"k" * 5000
    assert (point / "k2").read_bytes() == b"k" * 5000 + b"more"
    (point / "u1").unlink()
    (point / "r1").rename(point / "m/r-moved")
    os.link(point / "m/plain00", point / "m/linked00")
    (point / "new").write_bytes(b"new")
    os.link(point / "new", point / "z/newer")
    before = said(point)
    vfs("commit", point)
    assert clean(vfs, point)
    fresh = mounted(repo)
    assert groups(fresh) == [
        ONE, {"k1", "k3"}, {"m/linked00", "m/plain00"}, TWO, {"new", "z/newer"}, {"u2", "u3"},
    ]  # fmt: skip
    after = said(fresh)
    counted = {"k1", "k3", "u2", "u3", "r2", "m/r-moved"}
    assert {name: line for name, line in after.items() if name not in counted} == {
        name: line for name, line in before.items() if name not in counted
    }
    assert b"no change" in vfs("commit", point).stdout
    # The link alone changes: the content is what it was.
    (point / "z/newer").unlink()
    vfs("commit", point)
    assert (mounted(repo) / "new").stat().st_nlink == 1
    status = (point / "new").stat()
    (point / "z/newer").write_bytes(b"new")
    os.utime(point / "z/newer", ns=(status.st_mtime_ns, status.st_mtime_ns))
    vfs("commit", point)
    (point / "z/newer").unlink()
    os.link(point / "new", point / "z/newer")
    shown = vfs("status", point).stdout
    assert b"P  new" in shown and b"P  z/newer" in shown
    vfs("commit", point)
    assert clean(vfs, point)
    assert {"new", "z/newer"} in groups(mounted(repo))


def test_directories_that_move_take_the_names_along(vfs: Vfs, repo: str, mounted: Mounted, source: Path) -> None:
    vfs("put", repo, f"{source}/")
    point = mounted("--rw", repo)
    for old, new, deep in (("m", "n", "z/deep"), ("n", "m", "z/deep"), ("z", "y", "y/deep")):
        (point / old).rename(point / new)
        vfs("commit", point)
        assert clean(vfs, point)
        expected = [{"a", f"{new if old != 'z' else 'm'}/b", f"{deep}/c"}]
        assert [names for names in groups(mounted(repo)) if "a" in names] == expected, new


@pytest.mark.parametrize("reported", ["1", "0"], ids=["reports", "requests"])
def test_what_was_made_from_a_file_is_found_under_each_of_its_names(
    vfs: Vfs, repo: str, source: Path, monkeypatch: pytest.MonkeyPatch, reported: str
) -> None:
    monkeypatch.setenv("VFSD_FANOTIFY", reported)
    vfs("put", repo, f"{source}/")
    script = "cat /pfs/data/z/deep/c > /pfs/out/large; cat /pfs/data/m/two /pfs/data/alone > /pfs/out/small"
    vfs("run", "-i", repo, "-o", "made", "--", "sh", "-c", script)
    for output, names in {"large": ONE, "small": TWO | {"alone"}}.items():
        for name in names:
            assert f" {output}\n" in vfs("impact", f"{repo}:{name}").stdout.decode(), (output, name)
    assert "nothing in this store was made from it" in vfs("impact", f"{repo}:m/plain00").stdout.decode()


def test_the_output_of_a_run_keeps_its_links(vfs: Vfs, repo: str, mounted: Mounted, isolated: Path) -> None:
    (isolated / "in").mkdir()
    (isolated / "in/x").write_bytes(b"x")
    vfs("put", repo, f"{isolated}/in/")
    vfs("run", "-i", repo, "-o", "made", "--", "sh", "-c", "cp /pfs/data/x /pfs/out/a && ln /pfs/out/a /pfs/out/b")
    assert groups(mounted("made")) == [{"a", "b"}]


def test_removals_merges_and_reverts_count_the_names_again(vfs: Vfs, repo: str, mounted: Mounted, source: Path) -> None:
    os.unlink(source.parent / "outside")
    vfs("put", repo, f"{source}/")
    vfs("branch", "create", f"{repo}@side", f"{repo}@main")
    vfs("rm", f"{repo}@main:a")
    assert groups(mounted(f"{repo}@main")) == [{"m/b", "z/deep/c"}, TWO]
    assert b"P" in vfs("diff", f"{repo}@side", f"{repo}@main").stdout
    vfs("rm", f"{repo}@side:z")
    vfs("merge", f"{repo}@main", f"{repo}@side")
    assert groups(mounted(f"{repo}@main")) == [TWO]
    assert vfs("verify", f"{repo}@main").returncode == 0
    vfs("revert", f"{repo}@side")
    assert groups(mounted(f"{repo}@side")) == [ONE, TWO]
