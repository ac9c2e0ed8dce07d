"""The life of a mount: it comes up, serves, is refused with a reason, is killed, is ended, leaves nothing behind."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vfs.config.settings import load
from vfs.control.client import Client
from vfs.control.launch import start
from vfs.control.place import Place
from vfs.control.protocol import Status
from vfs.control.registry import Registry
from vfs.control.spec import MountSpec, new_id
from vfs.errors import DaemonError

pytestmark = pytest.mark.mount

Vfs = Callable[..., Any]
COMMAND = [sys.executable, "-c", "from vfs.cli.main import main; main()"]
NOBODY = 65534


def mounts(vfs: Vfs) -> list[dict[str, Any]]:
    """What `vfs mounts` says."""
    listed: list[dict[str, Any]] = json.loads(vfs("mounts", "--json").stdout)
    return listed


def daemon_of(vfs: Vfs, point: Path) -> int:
    """The pid of the daemon of a mount."""
    (pid,) = [mount["pid"] for mount in mounts(vfs) if mount["mountpoint"] == str(point)]
    return int(pid)


def state_of(point: Path, vfs: Vfs) -> Path:
    """The state directory of a mount."""
    (id,) = [mount["id"] for mount in mounts(vfs) if mount["mountpoint"] == str(point)]
    return Path(os.environ["VFS_STATE_DIR"], "mounts", id)


def wait_for(what: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait until `what` is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def running(pid: int) -> bool:
    """True while the process has not ended."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def left_behind(state: Path) -> list[str]:
    """Names in the registry."""
    return sorted(name for name in os.listdir(state / "mounts") if not name.startswith("."))


@pytest.fixture
def data(vfs: Vfs, repo: str, isolated: Path) -> Path:
    """The source of a commit on `data`: a small tree with a large file."""
    source = isolated / "source"
    (source / "dir").mkdir(parents=True)
    (source / "dir" / "small").write_text("small\n")
    (source / "big").write_bytes(os.urandom(5_000_000))
    vfs("put", repo, f"{source}/")
    return source


@pytest.fixture
def held(mountpoint: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """A process that keeps a file of the mount open."""
    processes: list[subprocess.Popen[bytes]] = []

    def hold(name: str) -> subprocess.Popen[bytes]:
        with (mountpoint / name).open("rb") as file:
            process = subprocess.Popen(["sleep", "60"], stdin=file)
        processes.append(process)
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait(10)


def test_mount_shows_the_commit_and_umount_leaves_nothing(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path
) -> None:
    vfs("mount", "data", mountpoint)
    pid = daemon_of(vfs, mountpoint)
    assert (mountpoint / "big").read_bytes() == (data / "big").read_bytes()
    assert os.listdir(mountpoint) == ["big", "dir"]
    found = os.statvfs(mountpoint)
    assert (found.f_files, found.f_bfree) == (4, 0) and found.f_flag & os.ST_RDONLY
    with pytest.raises(OSError) as caught:
        (mountpoint / "new").write_text("x")
    assert caught.value.errno == errno.EROFS
    vfs("umount", mountpoint)
    assert not mountpoint.is_mount() and os.listdir(mountpoint) == []
    assert not running(pid)
    assert left_behind(isolated / "state") == [] and mounts(vfs) == []


def test_the_daemon_is_a_process_of_its_own(vfs: Vfs, data: Path, mountpoint: Path, isolated: Path) -> None:
    vfs("mount", "data", mountpoint)
    pid = daemon_of(vfs, mountpoint)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.getsid(pid) not in (os.getsid(0), pid)
    targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)]
    log = str(state_of(mountpoint, vfs) / "vfsd.log")
    assert targets == ["/dev/null", log, log]
    others = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert not [name for name in others if name.startswith(("/dev/pts", str(isolated / "source")))]


@pytest.mark.parametrize("command", [["umount"], ["fusermount3", "-u"], ["umount", "-l"], ["fusermount3", "-u", "-z"]])
def test_unmounting_by_hand_ends_the_daemon(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path, command: list[str]
) -> None:
    vfs("mount", "data", mountpoint)
    pid = daemon_of(vfs, mountpoint)
    subprocess.run([*command, mountpoint], check=True, timeout=20)
    wait_for(lambda: not running(pid))
    assert left_behind(isolated / "state") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(vfs: Vfs, data: Path, mountpoint: Path, isolated: Path, number: int) -> None:
    vfs("mount", "data", mountpoint)
    pid = daemon_of(vfs, mountpoint)
    os.kill(pid, number)
    wait_for(lambda: not running(pid))
    assert not mountpoint.is_mount() and left_behind(isolated / "state") == []


def test_a_signal_waits_for_who_is_about_to_finish(
    vfs: Vfs, data: Path, mountpoint: Path, held: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    vfs("mount", "data", mountpoint)
    pid, holder = daemon_of(vfs, mountpoint), held("big")
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.5)
    assert (mountpoint / "dir" / "small").read_text() == "small\n"
    holder.kill()
    holder.wait(10)
    wait_for(lambda: not running(pid), seconds=5)
    assert not mountpoint.is_mount()


def test_a_signal_detaches_after_ten_seconds_and_says_who_held_on(
    vfs: Vfs, data: Path, mountpoint: Path, held: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    vfs("mount", "data", mountpoint)
    pid, log = daemon_of(vfs, mountpoint), (state_of(mountpoint, vfs) / "vfsd.log").open("rb")
    holder = held("big")
    os.kill(pid, signal.SIGTERM)
    start = time.monotonic()
    wait_for(lambda: not running(pid), seconds=20)
    assert 9 < time.monotonic() - start < 15
    assert not mountpoint.is_mount()
    with log:
        assert f"held by sleep (pid {holder.pid})" in log.read().decode()


def test_a_busy_mount_is_not_unmounted_and_its_holders_are_named(
    vfs: Vfs, data: Path, mountpoint: Path, held: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    vfs("mount", "data", mountpoint)
    holder = held("big")
    refused = vfs("umount", mountpoint, ok=False)
    assert refused.returncode == 6
    assert f"busy: held by sleep (pid {holder.pid})" in refused.stderr.decode()
    assert (mountpoint / "dir" / "small").read_text() == "small\n"
    pid = daemon_of(vfs, mountpoint)
    vfs("umount", "--lazy", mountpoint)
    assert not mountpoint.is_mount() and running(pid)
    assert Path(f"/proc/{holder.pid}/fd/0").read_bytes() == (data / "big").read_bytes()
    holder.kill()
    holder.wait(10)
    wait_for(lambda: not running(pid))


def test_a_killed_daemon_gives_errors_until_the_next_mount(vfs: Vfs, data: Path, mountpoint: Path) -> None:
    vfs("mount", "data", mountpoint)
    reader = (mountpoint / "big").open("rb", buffering=0)
    pid = daemon_of(vfs, mountpoint)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not running(pid))
    with pytest.raises(OSError) as caught:
        reader.read(5_000_000)
    reader.close()
    assert caught.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    assert [mount["state"] for mount in mounts(vfs)] == ["dead"]
    vfs("mount", "data", mountpoint)
    assert (mountpoint / "big").read_bytes() == (data / "big").read_bytes()
    assert [mount["state"] for mount in mounts(vfs)] == ["alive"]


def test_a_dead_mount_can_be_unmounted(vfs: Vfs, data: Path, mountpoint: Path, isolated: Path) -> None:
    vfs("mount", "data", mountpoint)
    pid = daemon_of(vfs, mountpoint)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not running(pid))
    vfs("umount", mountpoint)
    assert os.listdir(mountpoint) == [] and left_behind(isolated / "state") == []


@pytest.mark.root
def test_a_writable_mount_whose_daemon_was_killed_keeps_what_was_written(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path
) -> None:
    vfs("mount", "--rw", "data", mountpoint)
    (mountpoint / "new").write_text("kept")
    pid = daemon_of(vfs, mountpoint)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not running(pid))
    vfs("mount", "--rw", "data", mountpoint)
    assert (mountpoint / "new").read_text() == "kept"
    assert (mountpoint / "dir" / "small").read_text() == "small\n"
    vfs("umount", mountpoint)
    assert left_behind(isolated / "state") == []
    table = Path("/proc/self/mountinfo").read_text()
    assert str(isolated) not in table


@pytest.mark.root
def test_unmounting_the_overlay_by_hand_takes_away_what_lies_below(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path
) -> None:
    vfs("mount", "--rw", "data", mountpoint)
    pid = daemon_of(vfs, mountpoint)
    subprocess.run(["umount", mountpoint], check=True, timeout=20)
    wait_for(lambda: not running(pid))
    assert str(isolated) not in Path("/proc/self/mountinfo").read_text()


def refusal(vfs: Vfs, *words: str | Path) -> str:
    """The one line with which a mount is refused."""
    done = vfs("mount", *words, ok=False)
    assert done.returncode == 6, done.stderr
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    return str(lines[0])


def test_what_cannot_be_mounted_on_is_refused_with_the_remedy(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path
) -> None:
    (isolated / "file").write_text("x")
    assert "no such directory; make it first with mkdir -p" in refusal(vfs, "data", isolated / "none")
    assert "not a directory; give an empty directory" in refusal(vfs, "data", isolated / "file")
    assert "not empty; give an empty directory" in refusal(vfs, "data", data)
    vfs("mount", "data", mountpoint)
    assert "already mounted: data; unmount it first with vfs umount" in refusal(vfs, "data", mountpoint)
    assert f"inside the vfs mount {mountpoint}" in refusal(vfs, "data", mountpoint / "dir")
    other = vfs("mount", "data", mountpoint, ok=False, env={"VFS_STATE_DIR": str(isolated / "state2")})
    assert b"already a mount point (fuse.vfs, vfs:data" in other.stderr
    assert len(mounts(vfs)) == 1
    assert vfs("umount", data, ok=False).stderr.endswith(b"not a vfs mount\n")


def test_what_is_not_in_the_store_is_refused_before_anything_is_mounted(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path
) -> None:
    for revision, code in (("none", 1), ("data@none", 1), ("data:none", 1), ("data:big", 1)):
        assert vfs("mount", revision, mountpoint, ok=False).returncode == code
    gone = vfs("mount", "data", mountpoint, ok=False, env={"VFS_STORE": f"file://{isolated}/nowhere"})
    assert gone.returncode == 3 and b"no such file" in gone.stderr
    assert not mountpoint.is_mount() and mounts(vfs) == []


def test_damage_is_eio_and_everything_else_is_readable(vfs: Vfs, data: Path, mountpoint: Path, isolated: Path) -> None:
    # That of the content: the pages lie in a smaller one.
    pack = max((isolated / "store" / "packs").glob("*/*"), key=lambda path: path.stat().st_size)
    (data / "other").write_bytes(os.urandom(3_000_000))
    vfs("put", "data", data / "other")
    damaged = bytearray(pack.read_bytes())
    damaged[1_000_000] ^= 0xFF
    pack.chmod(0o600)
    pack.write_bytes(damaged)
    vfs("mount", "data", mountpoint)
    with pytest.raises(OSError) as caught:
        (mountpoint / "big").read_bytes()
    assert caught.value.errno == errno.EIO
    assert (mountpoint / "other").read_bytes() == (data / "other").read_bytes()
    assert (mountpoint / "dir" / "small").read_text() == "small\n"
    shown = vfs("status", mountpoint).stdout.decode()
    assert "big: " in shown and pack.name in shown


def test_many_readers_at_once(vfs: Vfs, data: Path, mountpoint: Path) -> None:
    for number in range(300):
        (data / f"file-{number:03}").write_bytes(os.urandom(2000 + 100 * number))
    vfs("put", "data", f"{data}/")
    vfs("mount", "data", mountpoint)
    wrong: list[str] = []

    def read(step: int) -> None:
        names = sorted(os.listdir(mountpoint))[::step]
        wrong.extend(
            name
            for name in names
            if (data / name).is_file() and (mountpoint / name).read_bytes() != (data / name).read_bytes()
        )

    readers = [threading.Thread(target=read, args=(1 if number % 2 else -1,)) for number in range(12)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert not wrong and not any(reader.is_alive() for reader in readers)


def test_names_and_times_that_are_hard(vfs: Vfs, repo: str, mountpoint: Path, isolated: Path) -> None:
    source = os.fsencode(isolated / "source")
    os.mkdir(source)
    names = [b"\xff\xfe", b"new\nline", b"-rf", b"...", b"x" * 255, b"case", b"CASE", b"sp ace ", "ü€".encode()]
    for place, name in enumerate(names):
        path = os.path.join(source, name)
        Path(os.fsdecode(path)).write_bytes(name)
        os.utime(path, ns=(0, (place - 2) * 1_000_000_007))
    vfs("put", repo, source + b"/")
    vfs("mount", repo, mountpoint)
    point = os.fsencode(mountpoint)
    assert sorted(os.listdir(point)) == sorted(names)
    for place, name in enumerate(names):
        found = os.stat(os.path.join(point, name))
        assert found.st_mtime_ns == (place - 2) * 1_000_000_007
        assert Path(os.fsdecode(os.path.join(point, name))).read_bytes() == name
    for name, number in ((b"y" * 256, errno.ENAMETOOLONG), (b"none", errno.ENOENT)):
        with pytest.raises(OSError) as caught:
            os.stat(os.path.join(point, name))
        assert caught.value.errno == number


def test_what_the_kernel_knows_costs_no_request(vfs: Vfs, data: Path, mountpoint: Path) -> None:
    vfs("mount", "data", mountpoint)

    def look() -> None:
        for name in ("big", "dir/small", "none", "dir/none"):
            with contextlib.suppress(FileNotFoundError):
                os.stat(mountpoint / name)
        (mountpoint / "big").read_bytes()

    def status() -> Status:
        with Client(Place(str(state_of(mountpoint, vfs)))) as client:
            return client.status()

    def asked() -> dict[str, int]:
        return status().operations

    def requests_of_fifty_looks() -> list[int]:
        look()
        before = asked()
        for _ in range(50):
            look()
        after = asked()
        return [after[name] - before[name] for name in ("lookup", "getattr", "read", "open")]

    # More than once: a benchmark beside us may tell the kernel to drop its caches at any moment.
    found = [requests_of_fifty_looks() for _ in range(10)]
    opens = 0 if status().levers["open answered by the kernel"] == "on" else 50
    assert [0, 0, 0, opens] in found, found


def test_all_repos_and_a_branch_that_moves(vfs: Vfs, data: Path, mountpoint: Path) -> None:
    vfs("tag", "create", "data@v1")
    vfs("mount", "--all", mountpoint)
    assert sorted(os.listdir(mountpoint / "data")) == ["@commits", "main", "v1"]
    (first,) = os.listdir(mountpoint / "data" / "@commits")
    (data / "dir" / "small").write_text("changed\n")
    vfs("put", "data", f"{data}/")
    wait_for(lambda: (mountpoint / "data" / "main" / "dir" / "small").read_text() == "changed\n")
    for way in ("v1", f"@commits/{first}"):
        assert (mountpoint / "data" / way / "dir" / "small").read_text() == "small\n"
    vfs("repo", "create", "later")
    wait_for(lambda: (mountpoint / "later").is_dir())
    assert os.path.getsize(mountpoint / "data" / "main" / "big") == 5_000_000


def test_the_control_socket_takes_abuse_and_the_mount_does_not_notice(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path
) -> None:
    vfs("mount", "data", mountpoint)
    place = state_of(mountpoint, vfs)
    directory = os.open(place, os.O_PATH)
    address = f"/proc/self/fd/{directory}/control.sock"
    peers = []
    for number in range(1000):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(5)
        peers.append(peer)
        with contextlib.suppress(OSError):
            peer.connect(address)
            peer.sendall([b"junk\n", b"\xff" * 1000, b'{"do":"status"}\n' * 50][number % 3])
        if number % 10 == 0:
            assert (mountpoint / "dir" / "small").read_text() == "small\n"
        if len(peers) > 200:
            peers.pop(0).close()
    for peer in peers:
        peer.close()
    os.close(directory)
    assert (mountpoint / "big").read_bytes() == (data / "big").read_bytes()
    assert b"serving" in vfs("status", mountpoint).stdout


def test_metrics_are_served_on_a_socket_and_a_port(vfs: Vfs, data: Path, mountpoint: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    vfs("mount", "--metrics-port", str(port), "data", mountpoint)
    (mountpoint / "big").read_bytes()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        text = b"".join(iter(lambda: peer.recv(65536), b"")).decode()
    assert "vfs_read_bytes_total 5e+06" in text
    assert 'vfs_requests_total{operation="open"} 1.0' in text
    assert 'vfs_request_seconds_bucket{le="0.01",operation="read"}' in text
    assert stat.S_IMODE(os.stat(state_of(mountpoint, vfs) / "metrics.sock").st_mode) == 0o600


def test_a_foreground_mount_tells_its_supervisor(data: Path, mountpoint: Path, isolated: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(isolated / "notify"))
        notified.settimeout(30)
        process = subprocess.Popen(
            [*COMMAND, "mount", "--foreground", "data", mountpoint],
            env={**os.environ, "NOTIFY_SOCKET": str(isolated / "notify")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert notified.recv(100) == b"READY=1"
        assert (mountpoint / "dir" / "small").read_text() == "small\n"
        process.send_signal(signal.SIGTERM)
        assert notified.recv(100) == b"STOPPING=1"
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events == ["mounted", "asked to end", "unmounted"]
    assert not mountpoint.is_mount()


@pytest.mark.root
def test_an_ordinary_user_mounts_for_himself_alone(isolated: Path, fuse_for_all: None) -> None:
    home = Path("/tmp", f"vfs-user-{os.getpid()}")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o755)
    os.chown(home, NOBODY, NOBODY)
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "VFS_STORE": f"file://{home}/store",
        "VFS_STATE_DIR": f"{home}/state",
        "VFS_CACHE_DIR": f"{home}/cache",
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def as_user(*words: str, program: list[str] = COMMAND) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*program, *words],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd=home,
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )

    try:
        as_user("-c", "mkdir -p src mnt && echo hello > src/file", program=["sh"])
        for words in (["init"], ["repo", "create", "r"], ["put", "r", "src/"], ["mount", "r", "mnt"]):
            done = as_user(*words)
            assert done.returncode == 0, done.stderr
        assert as_user("mnt/file", program=["cat"]).stdout == b"hello\n"
        found = as_user("-c", "%u:%a", "mnt/file", program=["stat"]).stdout
        assert found == b"65534:644\n"
        with pytest.raises(PermissionError):
            os.listdir(home / "mnt")
        (pid,) = [mount["pid"] for mount in json.loads(as_user("mounts", "--json").stdout)]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not running(pid))
        assert as_user("mount", "r", "mnt").returncode == 0
        assert as_user("umount", "mnt").returncode == 0
        assert os.listdir(home / "mnt") == []
    finally:
        subprocess.run(["umount", "-l", home / "mnt"], capture_output=True, timeout=20, check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def store_that_stops(vfs: Vfs, data: Path, isolated: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """The store of `data`, itself shown by a mount, and how to make it hang: by stopping that mount's daemon."""
    point = isolated / "stores"
    point.mkdir()
    outer = {"VFS_STORE": f"file://{isolated}/outer"}
    for words in (["init"], ["repo", "create", "stores"], ["put", "stores", f"{isolated}/store/"]):
        vfs(*words, env=outer)
    vfs("mount", "stores", point, env=outer)
    pid = daemon_of(vfs, point)
    yield point, lambda: os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)
    vfs("umount", point)


def test_a_store_that_hangs_is_an_error_in_time_and_delays_no_end(
    vfs: Vfs, data: Path, mountpoint: Path, store_that_stops: tuple[Path, Callable[[], None]]
) -> None:
    store, stop_it = store_that_stops
    vfs("mount", "data", mountpoint, env={"VFS_STORE": f"file://{store}", "VFS_TIMEOUT": "1"})
    pid = daemon_of(vfs, mountpoint)
    stop_it()
    start = time.monotonic()
    with pytest.raises(OSError) as caught:
        (mountpoint / "big").read_bytes()
    assert caught.value.errno == errno.EIO and 2 < time.monotonic() - start < 20
    assert (mountpoint / "dir" / "small").read_text() == "small\n"
    assert "read: not answered within 3 s" in vfs("status", mountpoint).stdout.decode()
    vfs("umount", mountpoint)
    assert not running(pid)
    assert time.monotonic() - start < 30


def test_a_start_that_nobody_waits_for_leaves_no_mount(data: Path, mountpoint: Path, isolated: Path, vfs: Vfs) -> None:
    settings = load().settings
    with pytest.raises(DaemonError, match=r"vfsd: not ready after 0\.01 s"):
        start(MountSpec(id=new_id(), mountpoint=str(mountpoint), kind="all", settings=settings), timeout=0.01)
    wait_for(lambda: not any(place.alive() for place in Registry(settings.state_dir).places()))
    assert not mountpoint.is_mount()
    vfs("mount", "data", mountpoint)
    assert len(mounts(vfs)) == 1


def test_what_fails_in_the_daemon_is_said_by_the_command(
    vfs: Vfs, data: Path, mountpoint: Path, isolated: Path
) -> None:
    state = isolated / "other-state"
    (state / "journal.db").mkdir(parents=True)
    done = vfs("mount", "data", mountpoint, ok=False, env={"VFS_STATE_DIR": str(state)})
    assert done.returncode == 1 and done.stderr.startswith(b"vfs: journal ")
    assert not mountpoint.is_mount() and left_behind(state) == []


def test_a_mount_ends_with_its_owner(data: Path, mountpoint: Path, isolated: Path) -> None:
    settings = load().settings
    owner = subprocess.Popen(["sleep", "60"])
    start(MountSpec(id=new_id(), mountpoint=str(mountpoint), kind="all", settings=settings, owner_pid=owner.pid))
    assert os.listdir(mountpoint) == ["data"]
    owner.kill()
    owner.wait(10)
    wait_for(lambda: left_behind(isolated / "state") == [])
    assert not mountpoint.is_mount()
