"""The registry: who lives, who died, what is cleaned and what is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vfs.config.settings import Settings
from vfs.control.dead import clear_dead, sweep
from vfs.control.place import DaemonInfo, Place, reachable
from vfs.control.registry import Registry
from vfs.control.spec import MountSpec
from vfs.errors import MountError

MakeSpec = Callable[..., MountSpec]

# Holds the inherited lock until its input ends.
HOLD = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def daemon() -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """A process that inherits a lock, as a daemon does."""
    started: list[subprocess.Popen[bytes]] = []

    def start(lock: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(HOLD, stdin=subprocess.PIPE, pass_fds=[lock])
        started.append(process)
        os.close(lock)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def test_mount_is_alive_while_its_daemon_holds_the_lock(
    registry: Registry, make_spec: MakeSpec, daemon: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    spec = make_spec()
    place, lock = registry.create(spec)
    process = daemon(lock)
    place.write_daemon(DaemonInfo(process.pid, 17, "0", "session"))
    (mount,) = registry.mounts()
    assert (mount.id, mount.alive, mount.pid, mount.started_ns, mount.title) == (
        spec.id,
        True,
        process.pid,
        17,
        "r@main",
    )
    assert mount.session == "session"
    process.kill()
    process.wait(10)
    (mount,) = registry.mounts()
    assert not mount.alive


def test_a_directory_has_one_mount(registry: Registry, make_spec: MakeSpec) -> None:
    _, lock = registry.create(make_spec())
    with pytest.raises(MountError, match=r"already mounted: r@main; unmount it first with vfs umount "):
        registry.create(make_spec())
    os.close(lock)
    os.close(registry.create(make_spec())[1])


def test_many_who_look_do_not_take_each_other_for_a_daemon(registry: Registry, make_spec: MakeSpec) -> None:
    place, lock = registry.create(make_spec())
    os.close(lock)
    code = "import sys; from vfs.control.place import Place; p = Place(sys.argv[1]);"
    code += "sys.exit(any(p.alive() for _ in range(2000)))"
    looking = [subprocess.Popen([sys.executable, "-c", code, place.directory]) for _ in range(3)]
    assert [process.wait(60) for process in looking] == [0, 0, 0]


def test_state_is_private(registry: Registry, make_spec: MakeSpec) -> None:
    place, lock = registry.create(make_spec())
    os.close(lock)
    assert os.stat(place.directory).st_mode & 0o777 == 0o700
    assert {
        name: os.stat(os.path.join(place.directory, name)).st_mode & 0o777 for name in os.listdir(place.directory)
    } == {
        "lock": 0o600,
        "spec.json": 0o600,
    }


def test_sweep_removes_the_dead_and_keeps_the_living(registry: Registry, make_spec: MakeSpec, tmp_path: Path) -> None:
    dead, dead_lock = registry.create(make_spec(mountpoint=str(tmp_path / "a")))
    os.close(dead_lock)
    alive, lock = registry.create(make_spec(mountpoint=str(tmp_path / "b")))
    os.mkdir(dead.lower)
    sweep(registry)
    assert [place.id for place in registry.places()] == [alive.id]
    os.close(lock)


def test_sweep_leaves_a_start_in_progress_alone(registry: Registry) -> None:
    young, old = (Place(os.path.join(registry.directory, name * 16)) for name in "ab")
    for place in (young, old):
        os.mkdir(place.directory)
    hour_ago = time.time() - 3600
    os.utime(old.directory, (hour_ago, hour_ago))
    sweep(registry)
    assert os.path.isdir(young.directory) and not os.path.exists(old.directory)


def test_clearing_where_nothing_is_mounted_forgets_the_dead(registry: Registry, make_spec: MakeSpec) -> None:
    spec = make_spec()
    os.close(registry.create(spec)[1])
    assert clear_dead(registry, spec.mountpoint) is False
    assert registry.find(spec.mountpoint) is None


def test_junk_among_the_state_is_no_mount(registry: Registry, make_spec: MakeSpec) -> None:
    place, lock = registry.create(make_spec())
    Path(registry.directory, "file").write_text("x")
    broken = Place(os.path.join(registry.directory, "broken"))
    os.mkdir(broken.directory)
    Path(broken.spec).write_text("{}")
    Path(place.daemon).write_bytes(b"\0junk")
    (mount,) = registry.mounts()
    assert (mount.id, mount.pid) == (place.id, 0)
    os.close(lock)


def test_removing_does_not_descend(registry: Registry, make_spec: MakeSpec) -> None:
    place, lock = registry.create(make_spec())
    os.close(lock)
    Path(place.lower).mkdir()
    Path(place.lower, "precious").write_text("x")
    place.remove()
    assert Path(place.lower, "precious").read_text() == "x"


def test_long_paths_have_reachable_sockets(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 200)
    directory.mkdir()
    with reachable(str(directory / "control.sock")) as address:
        assert len(address) < 100
        Path(address).write_text("x")
    assert (directory / "control.sock").read_text() == "x"


def test_settings_choose_the_place(settings: Settings, registry: Registry) -> None:
    assert registry.directory == f"{settings.state_dir}/mounts"
