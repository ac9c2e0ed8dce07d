"""What a local store promises beyond the contract: crashes, full and read-only disks, other users, strange files."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vfs.errors import (
    Conflict,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
    StoreTimeout,
    UsageError,
)
from vfs.files.atomic import TEMP_PREFIX
from vfs.files.lock import FileLock
from vfs.store.breaker import BreakerStore
from vfs.store.descriptors import KEPT
from vfs.store.local import LOCK_NAME, LocalStore, local_store
from vfs.store.memory import MemoryStore

PACK = "packs/ab/00112233445566778899aabbccddeeff"
REF = "repos/photos/heads/main"
MOUNT_LIMIT = 20


def keys(store: LocalStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", disk], check=True, timeout=MOUNT_LIMIT)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True, timeout=MOUNT_LIMIT)


def test_the_path_of_an_object_is_its_key(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(PACK, b"x")
    assert store.local_path(PACK) == str(tmp_path / PACK)
    assert Path(store.local_path(PACK)).read_bytes() == b"x"
    with pytest.raises(UsageError):
        store.local_path("../outside")


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        LocalStore(tmp_path).put(PACK, b"x")
    finally:
        os.umask(old)
    assert (tmp_path / PACK).stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "packs").stat().st_mode & 0o777 == 0o750


def test_a_store_that_is_gone_says_so(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "none")
    with pytest.raises(StoreMissing, match="no such directory"):
        store.get(PACK)
    with pytest.raises(StoreMissing, match="no such directory"):
        keys(store)
    with pytest.raises(StoreError, match=r"none: packs/.*: cannot be written: no such file or directory"):
        store.put(PACK, b"x")
    assert not (tmp_path / "none").exists()


def test_a_key_below_an_object_is_refused_and_absent(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"x")
    with pytest.raises(StoreError, match="a/b: cannot be written: not a directory"):
        store.put("a/b", b"y")
    with pytest.raises(ObjectMissing):
        store.get("a/b")
    store.delete("a/b")
    assert store.get("a") == b"x"


def test_what_is_no_object_is_neither_listed_nor_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("packs/real", b"x")
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_bytes(b"secret")
    (tmp_path / "packs" / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "packs" / "fifo")
    (tmp_path / "packs" / "with space").write_bytes(b"x")
    (tmp_path / "packs" / ".hidden").write_bytes(b"x")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "file").write_bytes(b"x")
    (tmp_path / "packs" / "directory").mkdir()
    assert keys(store) == ["packs/real"]
    for name in ("link", "fifo", "directory"):
        with pytest.raises(StoreError, match=f"packs/{name}: cannot be read"):
            store.get(f"packs/{name}")


def test_a_full_lock_wait_is_a_timeout(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, timeout=0.05)
    with FileLock(tmp_path / LOCK_NAME), pytest.raises(StoreTimeout, match=f"{REF}: cannot be written: the lock"):
        store.swap(REF, b"x", expected=None)
    store.swap(REF, b"x", expected=None)


def test_objects_do_not_wait_for_the_lock_of_refs(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, timeout=0.05)
    with FileLock(tmp_path / LOCK_NAME):
        store.put(PACK, b"x")
        assert store.get(PACK) == b"x"


@pytest.mark.root
def test_a_full_disk_refuses_whole_objects_and_keeps_the_rest(small_disk: Path) -> None:
    store = LocalStore(small_disk)
    version = store.swap(REF, b"old", expected=None)
    store.put("packs/aa/small", b"small")
    with pytest.raises(StoreFull, match="packs/bb/big: cannot be written: no space left on device"):
        store.put("packs/bb/big", bytes(2 << 20))
    with pytest.raises(StoreFull):
        store.swap(REF, bytes(2 << 20), expected=version)
    assert keys(store) == ["packs/aa/small", REF]
    assert [name for name in files(small_disk) if TEMP_PREFIX in name] == []
    assert store.get_version(REF) == (b"old", version)
    store.swap(REF, b"new", expected=version)
    store.put("packs/bb/big", b"fits")


@pytest.mark.root
def test_a_read_only_disk_is_read_and_not_written(small_disk: Path) -> None:
    store = LocalStore(small_disk)
    store.put(PACK, b"x")
    version = store.swap(REF, b"x", expected=None)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True, timeout=MOUNT_LIMIT)
    assert store.get(PACK) == b"x"
    assert keys(store) == [PACK, REF]
    for change in (
        lambda: store.put(PACK, b"y"),
        lambda: store.swap(REF, b"y", expected=version),
        lambda: store.remove(REF, expected=version),
        lambda: store.delete(PACK),
    ):
        with pytest.raises(StoreDenied, match="read-only file system"):
            change()


# Imports come first: the project may lie where the other user cannot read.
AS_SOMEONE_ELSE = """
import os, sys
from vfs.config.settings import default_settings
from vfs.errors import StoreDenied
from vfs.store.local import LocalStore
from vfs.store.open import create_store

os.setgroups([])
os.setgid(65534)
os.setuid(65534)
store = LocalStore(sys.argv[1])
assert store.get("packs/open") == b"x"
calls = {
    "get": lambda: store.get("packs/closed"),
    "put": lambda: store.put("packs/new", b"x"),
    "swap": lambda: store.swap("repos/a/heads/main", b"x", expected=None),
    "delete": lambda: store.delete("packs/open"),
    "list": lambda: list(store.list("shut/")),
    "init": lambda: create_store(sys.argv[1] + "/below", default_settings()),
}
for name, call in calls.items():
    try:
        call()
    except StoreDenied as error:
        assert str(error).endswith("permission denied"), error
    else:
        raise SystemExit(f"{name} was not denied")
"""


@pytest.mark.root
def test_another_user_gets_what_the_permissions_give() -> None:
    with tempfile.TemporaryDirectory(prefix="vfs-store-") as root:
        directory = Path(root)
        directory.chmod(0o755)
        store = LocalStore(directory)
        for key in ("packs/open", "packs/closed", "shut/x"):
            store.put(key, b"x")
        (directory / "packs" / "closed").chmod(0o600)
        (directory / "shut").chmod(0o700)
        words = [sys.executable, "-c", AS_SOMEONE_ELSE, root]
        done = subprocess.run(words, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()


# Ends the process, as kill -9 would, before the step number argv[2]; exits 9 when it got there.
CRASH = """
import os, sys
from vfs.store.local import LocalStore

root, left, call = sys.argv[1], int(sys.argv[2]), sys.argv[3]
store = LocalStore(root)
version = store.get_version("repos/r/heads/main")[1]

def counted(function):
    def step(*words, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*words, **named)
    return step

for name in ("open", "write", "fsync", "rename", "unlink", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
if call == "put":
    store.put("packs/cd/new", b"new" * 1000)
elif call == "swap":
    store.swap("repos/r/heads/main", b"new", expected=version)
else:
    store.remove("repos/r/heads/main", expected=version)
"""


@pytest.mark.parametrize("call", ["put", "swap", "remove"])
def test_a_crash_at_any_step_leaves_the_store_before_or_after(tmp_path: Path, call: str) -> None:
    store = LocalStore(tmp_path, timeout=5)
    outcomes = set()
    for step in range(60):
        for key in keys(store):
            store.delete(key)
        store.swap("repos/r/heads/main", b"old", expected=None)
        words = [sys.executable, "-c", CRASH, tmp_path, str(step), call]
        status = subprocess.run(words, timeout=30, check=False).returncode
        state = {info.key: store.get(info.key) for info in store.list("")}
        before = {"repos/r/heads/main": b"old"}
        after = {
            "put": {**before, "packs/cd/new": b"new" * 1000},
            "swap": {"repos/r/heads/main": b"new"},
            "remove": {},
        }[call]
        assert state in (before, after), step
        outcomes.add((status, state == before))
        # The lock died with its holder: the next one is not kept waiting.
        with FileLock(tmp_path / LOCK_NAME, timeout=5):
            pass
        if status == 0:
            break
    assert (0, False) in outcomes
    assert (9, True) in outcomes
    assert (9, False) in outcomes
    store.sweep(older_than=0)
    assert [name for name in files(tmp_path) if TEMP_PREFIX in name] == []


def test_sweep_takes_old_temporary_files_and_nothing_else(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(PACK, b"x")
    version = store.swap(REF, b"x", expected=None)
    old, new = tmp_path / "packs" / f"{TEMP_PREFIX}old", tmp_path / "packs" / "ab" / f"{TEMP_PREFIX}new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    os.utime(tmp_path / PACK, (0, 0))
    assert keys(store) == [PACK, REF]
    assert store.sweep() == 1
    assert files(tmp_path) == sorted([LOCK_NAME, f"packs/ab/{TEMP_PREFIX}new", PACK, REF])
    assert store.sweep(older_than=0) == 1
    assert store.sweep(older_than=0) == 0
    assert store.get_version(REF) == (b"x", version)


def test_an_object_put_many_times_at_once_is_always_whole(tmp_path: Path) -> None:
    script = """
import sys
from vfs.store.local import LocalStore
store = LocalStore(sys.argv[1])
data = sys.argv[2].encode() * 300_000
for _ in range(30):
    store.put("packs/x", data)
"""
    store = LocalStore(tmp_path)
    store.put("packs/x", b"a" * 300_000)
    writers = [subprocess.Popen([sys.executable, "-c", script, tmp_path, letter]) for letter in "ab"]
    try:
        while any(writer.poll() is None for writer in writers):
            data = store.get("packs/x")
            assert data in (b"a" * 300_000, b"b" * 300_000)
        assert [writer.wait(60) for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


def test_listing_survives_what_goes_away_meanwhile(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for name in ("a/1", "a/2", "b/1", "c"):
        store.put(name, b"x")
    listing = store.list("")
    assert next(listing).key == "a/1"
    store.delete("a/2")
    store.delete("b/1")
    (tmp_path / "b").rmdir()
    assert [info.key for info in listing] == ["c"]


def test_a_version_is_the_content(tmp_path: Path) -> None:
    one, two = LocalStore(tmp_path), LocalStore(tmp_path)
    version = one.swap(REF, b"x", expected=None)
    assert two.get_version(REF)[1] == version
    two.swap(REF, b"y", expected=version)
    with pytest.raises(Conflict):
        one.swap(REF, b"z", expected=version)


def open_packs(root: Path) -> list[str]:
    """The files below `root` that this process has open."""
    targets = []
    for fd in os.listdir("/proc/self/fd"):
        # One of them was the directory itself.
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sorted(target for target in targets if target.startswith(str(root)))


def test_packs_are_kept_open_within_a_limit_and_closed_at_the_end(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.swap(REF, b"x", expected=None)
    for number in range(KEPT + 9):
        store.put(f"packs/{number}", b"%d" % number)
    for _ in range(2):
        for number in range(KEPT + 9):
            assert store.get(f"packs/{number}") == b"%d" % number
    assert store.get(REF) == b"x"
    assert len(open_packs(tmp_path)) == KEPT
    store.close()
    assert open_packs(tmp_path) == []
    assert store.get("packs/7") == b"7"


def test_a_pack_kept_open_that_is_removed_or_replaced_or_cut_is_seen_as_it_is(tmp_path: Path) -> None:
    store, other = LocalStore(tmp_path), LocalStore(tmp_path)
    store.put(PACK, b"before")
    assert store.get(PACK) == b"before"
    other.put(PACK, b"replaced")
    assert store.get_now(PACK, 0, 3) is None
    assert store.get(PACK, start=2) == b"placed"
    other.delete(PACK)
    assert store.get_now(PACK, 0, 3) is None
    with pytest.raises(ObjectMissing):
        store.get(PACK)
    other.put(PACK, b"back again")
    assert store.get(PACK) == b"back again"
    os.truncate(tmp_path / PACK, 4)
    assert store.get(PACK, start=1, length=20) == b"ack"
    assert store.get(PACK, start=10) == b""
    assert open_packs(tmp_path) == [str(tmp_path / PACK)]


def test_what_lies_in_memory_is_had_without_waiting(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(PACK, b"0123456789")
    assert store.get_now(PACK, 0, 4) is None
    store.get(PACK)
    # Not every file system can tell; one that can has what was just written.
    assert store.get_now(PACK, 2, 4) in (b"2345", None)
    assert store.get_now(PACK, 8, 4) is None
    assert store.get_now("packs/none", 0, 1) is None


def test_readers_keep_what_they_read_from_while_others_push_it_out(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    names = [f"packs/{number}" for number in range(2 * KEPT)]
    for name in names:
        store.put(name, name.encode() * 1000)

    def read_all(start: int) -> bool:
        return all(store.get(name) == name.encode() * 1000 for _ in range(5) for name in names[start:] + names[:start])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(read_all, range(0, 60, 10)))
    assert len(open_packs(tmp_path)) == KEPT


def test_a_local_store_is_found_below_what_passes_its_calls_on(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert local_store(store) is store
    assert local_store(BreakerStore(BreakerStore(store, said=print), said=print)) is store
    assert local_store(BreakerStore(MemoryStore(), said=print)) is None
