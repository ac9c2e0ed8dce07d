"""The promises of docs/SEMANTICS.md, each quoted by the test that holds it to its word, on real mounts."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import big_file, described, many_files, peculiar

pytestmark = [pytest.mark.mount, pytest.mark.timeout(180)]

Vfs = Callable[..., Any]
Shell = Callable[..., str]
Mounted = Callable[..., Path]


def daemon_of(vfs: Vfs, point: Path) -> int:
    """The process id of the daemon that serves a mount point."""
    listed = json.loads(vfs("mounts", "--json").stdout)
    return next(int(mount["pid"]) for mount in listed if mount["mountpoint"] == str(point))


def operations(vfs: Vfs, point: Path) -> dict[str, int]:
    """How many requests of each kind the kernel has sent to the daemon of a mount point."""
    status = json.loads(vfs("status", "--json", point).stdout)
    counts: dict[str, int] = status["mount"]["daemon"]["operations"]
    return counts


def bytes_read(pid: int) -> int:
    """Bytes that a process has read from files so far."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/io has no rchar")


def packs(store: Path) -> list[Path]:
    """The packs of a local store."""
    return sorted(path for path in (store / "packs").rglob("*") if path.is_file())


def wait_gone(pid: int, seconds: float = 20) -> None:
    """Until a process is gone, at most `seconds`."""
    end = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < end, f"process {pid} did not end"
        time.sleep(0.05)


def test_promise_1_commits_never_change(isolated: Path, repo: str, vfs: Vfs, mounted: Mounted, shell: Shell) -> None:
    """A commit never changes: mounted anywhere, at any time, it shows the same bytes, names, modes and mtimes."""
    source = isolated / "source"
    source.mkdir()
    peculiar(source)
    vfs("put", repo, f"{source}/")
    first = json.loads(vfs("log", "--json", repo).stdout)[0]["commit"]
    mount = mounted(repo)
    before = described(source)
    (source / "mode-644").chmod(0o600)
    (source / "mode-644").write_text("other bytes")
    (source / "new").write_text("new")
    vfs("put", repo, f"{source}/")
    vfs("rm", f"{repo}:mode-777")
    assert described(mount) == before
    moved = isolated / "elsewhere"
    shutil.copytree(isolated / "store", moved)
    there = {"VFS_STORE": f"file://{moved}", "VFS_STATE_DIR": str(isolated / "state2")}
    vfs("export", f"{repo}@{first[:12]}", isolated / "exported", env=there)
    assert described(isolated / "exported") == before
    again = mounted(f"{repo}@{first[:12]}")
    assert described(again) == before
    shell(f"diff -r --no-dereference {again} {isolated}/exported")


def test_promise_2_every_byte_is_verified(isolated: Path, repo: str, vfs: Vfs, mounted: Mounted) -> None:
    """Every byte that reaches a program was verified against the commit's digest, or the read fails with EIO."""
    source = isolated / "source"
    source.mkdir()
    for name in ("one", "two"):
        big_file(source / name, 3 << 20)
        (source / name).write_bytes(name.encode() + (source / name).read_bytes())
    vfs("put", repo, source / "one")
    old = set(packs(isolated / "store"))
    (source / "two").write_bytes((source / "two").read_bytes()[::-1])
    vfs("put", repo, source / "two")
    mount = mounted(repo)
    pack = max(set(packs(isolated / "store")) - old, key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    shutil.rmtree(isolated / "cache", ignore_errors=True)
    with pytest.raises(OSError, match="Input/output error") as failed:
        (mount / "two").read_bytes()
    assert failed.value.errno == errno.EIO
    assert (mount / "one").read_bytes() == (source / "one").read_bytes()
    told = vfs("cat", f"{repo}:two", ok=False)
    assert told.returncode == 5
    assert pack.name in told.stderr.decode()
    checked = vfs("verify", repo, ok=False)
    assert checked.returncode == 5
    assert b"two" in checked.stdout + checked.stderr


def test_promise_3_data_moves_when_it_is_read(isolated: Path, repo: str, vfs: Vfs, mounted: Mounted) -> None:
    """Data moves only when it is read, and in pieces: one byte of a large file costs a piece of it, not the file."""
    big_file(isolated / "big", 200 << 20)
    vfs("put", repo, isolated / "big")
    mount = mounted(repo)
    pid = daemon_of(vfs, mount)
    begin = bytes_read(pid)
    assert (mount / "big").stat().st_size == 200 << 20
    assert bytes_read(pid) - begin < 1 << 20
    with (mount / "big").open("rb") as stream:
        stream.seek(150 << 20)
        byte = stream.read(1)
    with (isolated / "big").open("rb") as stream:
        stream.seek(150 << 20)
        assert stream.read(1) == byte
    assert bytes_read(pid) - begin < 24 << 20


def test_promise_4_warm_reads_are_the_kernels(isolated: Path, repo: str, vfs: Vfs, mounted: Mounted) -> None:
    """What was read once is answered by the kernel from its own cache: reading it again asks the daemon for no data."""
    source = isolated / "source"
    many_files(source, 200)
    vfs("put", repo, f"{source}/")
    mount = mounted(repo)
    cold = {path: (mount / path).read_bytes() for path in _files(mount)}
    before = operations(vfs, mount)
    warm = {path: (mount / path).read_bytes() for path in cold}
    after = operations(vfs, mount)
    assert warm == cold
    asked = {name: after[name] - before.get(name, 0) for name in after}
    assert asked.get("read", 0) == 0
    # Of 200 files; a kernel that is short of memory, or asked to save it, forgets a name now and then.
    assert asked.get("getattr", 0) <= 5
    assert asked.get("lookup", 0) <= 5


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_promise_5_nothing_written_is_lost(isolated: Path, repo: str, vfs: Vfs, mounted: Mounted) -> None:
    """Nothing written is lost by a crash of the daemon or of a commit, and two who commit to one branch never
    overwrite each other."""
    (isolated / "seed").write_text("seed\n")
    vfs("put", repo, isolated / "seed")
    mount = mounted("--rw", repo)
    for number in range(200):
        (mount / f"written-{number}").write_text(f"{number}\n")
    with (mount / "synced").open("w") as stream:
        stream.write("synced\n")
        stream.flush()
        os.fsync(stream.fileno())
    pid = daemon_of(vfs, mount)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    vfs("mount", "--rw", repo, mount)
    assert (mount / "synced").read_text() == "synced\n"
    assert [(mount / f"written-{number}").read_text() for number in range(200)] == [f"{n}\n" for n in range(200)]
    vfs("commit", mount, "-m", "after the crash")
    assert vfs("cat", f"{repo}:written-199").stdout == b"199\n"
    assert len(vfs("ls", repo).stdout.split()) == 202


def test_promise_5_two_writers_never_overwrite_each_other(
    isolated: Path, repo: str, vfs: Vfs, mounted: Mounted
) -> None:
    """Disjoint changes of two layers are both in the branch; of two that change one path the second is refused."""
    (isolated / "seed").write_text("seed\n")
    vfs("put", repo, isolated / "seed")
    first, second, third = (mounted("--rw", repo) for _ in range(3))
    (first / "a").write_text("from the first\n")
    (second / "b").write_text("from the second\n")
    (third / "a").write_text("from the third\n")
    vfs("commit", first, "-m", "first")
    vfs("commit", second, "-m", "second")
    assert vfs("ls", repo).stdout.split() == [b"a", b"b", b"seed"]
    refused = vfs("commit", third, "-m", "third", ok=False)
    assert refused.returncode == 4
    assert b"a" in refused.stderr.split(b":")[-1]
    assert (third / "a").read_text() == "from the third\n"
    assert vfs("cat", f"{repo}:a").stdout == b"from the first\n"


def test_promise_6_no_request_hangs(isolated: Path, repo: str, vfs: Vfs, mounted: Mounted) -> None:
    """No request hangs: a program that reads from a mount whose store or daemon is gone gets an error, and soon."""
    big_file(isolated / "big", 40 << 20)
    vfs("put", repo, isolated / "big")
    mount = mounted(repo)
    (isolated / "store").rename(isolated / "gone")
    begin = time.monotonic()
    with (mount / "big").open("rb") as stream, pytest.raises(OSError, match="Input/output error"):
        stream.seek(20 << 20)
        stream.read(1 << 20)
    assert time.monotonic() - begin < 30
    (isolated / "gone").rename(isolated / "store")
    assert (mount / "big").read_bytes() == (isolated / "big").read_bytes()
    pid = daemon_of(vfs, mount)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    begin = time.monotonic()
    with pytest.raises(OSError) as failed:
        os.listdir(mount)
    # The second is what the kernel says where a request was on its way, or its connection was aborted.
    assert failed.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    assert time.monotonic() - begin < 5
    vfs("mount", repo, mount)
    assert os.listdir(mount) == ["big"]


def test_promise_7_commits_say_what_they_were_made_from(
    isolated: Path, repo: str, vfs: Vfs, shell: Shell
) -> None:
    """Every commit made by a run says what it was made from: the command, the input commits, the files it read, the
    files it wrote."""
    source = isolated / "source"
    source.mkdir()
    for name in ("read-me", "and-me", "not-me"):
        (source / name).write_text(f"{name}\n")
    vfs("put", repo, f"{source}/")
    given = json.loads(vfs("log", "--json", repo).stdout)[0]["commit"]
    command = "cat /pfs/data/read-me > /pfs/out/copy; sort /pfs/data/and-me >> /pfs/out/copy"
    vfs("run", "-i", repo, "-o", "result", "--", "sh", "-c", command)
    shown = json.loads(vfs("show", "--json", "result").stdout)
    record = shown["record"]
    assert record["command"] == ["sh", "-c", command]
    assert [(item["repo"], item["commit"]) for item in shown["inputs"]] == [(repo, given)]
    assert {item["path"] for item in record["reads"]} == {"read-me", "and-me"}
    assert [item["path"] for item in record["outputs"]] == ["copy"]
    digest = shell(f"sha256sum < {source}/read-me")
    assert digest
    commit = next((isolated / "store" / "repos" / "result" / "commits").iterdir())
    data = bytearray(commit.read_bytes())
    at = data.index(b"sort /pfs") if b"sort /pfs" in data else len(data) // 3
    data[at] ^= 1
    commit.chmod(0o600)
    commit.write_bytes(data)
    assert vfs("show", "result", ok=False).returncode == 5


def test_promise_8_only_the_store_is_shared(isolated: Path, repo: str, vfs: Vfs) -> None:
    """Nothing but the object store is shared: another host needs the store and nothing else."""
    (isolated / "input").write_text("input\n")
    vfs("put", repo, isolated / "input")
    vfs("run", "-i", repo, "-o", "result", "--", "cp", "/pfs/data/input", "/pfs/out/output")
    shutil.move(isolated / "store", isolated / "other-host")
    for place in ("state", "cache", "home"):
        shutil.rmtree(isolated / place, ignore_errors=True)
    home = isolated / "home2"
    home.mkdir()
    there = {
        "VFS_STORE": f"file://{isolated}/other-host",
        "VFS_STATE_DIR": str(isolated / "state3"),
        "VFS_CACHE_DIR": str(isolated / "cache3"),
        "HOME": str(home),
    }
    assert vfs("cat", "result:output", env=there).stdout == b"input\n"
    assert b"input" in vfs("lineage", "result:output", env=there).stdout
    point = isolated / "there"
    point.mkdir()
    vfs("mount", "result", point, env=there)
    try:
        assert (point / "output").read_text() == "input\n"
    finally:
        vfs("umount", point, env=there)
    vfs("put", repo, isolated / "input", "--prefix", "again", env=there)
    assert vfs("cat", f"{repo}:again/input", env=there).stdout == b"input\n"
