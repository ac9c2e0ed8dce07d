"""Whether a directory and a machine can be mounted on, and what is said when not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfs.control.mountinfo import covering, is_below, mount_at, mounts
from vfs.control.mountpoint import (
    canonical,
    check_allow_other,
    check_machine,
    check_mountpoint,
    conf_allows_others,
)
from vfs.control.unmount import find_fusermount, unmount
from vfs.errors import MountError


def refused(path: Path | str) -> str:
    with pytest.raises(MountError) as caught:
        check_mountpoint(canonical(os.fspath(path)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    check_mountpoint(canonical(str(tmp_path / "link")))
    assert canonical(str(tmp_path / "link")) == os.path.realpath(tmp_path / "real")


def test_what_will_not_do_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("x")
    assert refused(tmp_path / "none").endswith(f"no such directory; make it first with mkdir -p {tmp_path}/none")
    assert refused(tmp_path / "file").endswith("not a directory; give an empty directory")
    assert refused(tmp_path / "file" / "below").endswith("not a directory")
    assert refused(full).endswith("not empty; give an empty directory")


def test_a_device_that_is_missing_or_denied_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MountError, match="not there; load the module with modprobe fuse, or start the container"):
        check_machine(str(tmp_path / "fuse"))
    with pytest.raises(MountError, match="is a directory"):
        check_machine(str(tmp_path))


def test_fusermount_is_found_or_its_package_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MountError, match=r"fusermount3: not found; .*package fuse3"):
        find_fusermount(str(tmp_path))
    program = tmp_path / "fusermount3"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_fusermount() == str(program)


@pytest.mark.parametrize(
    ("conf", "allowed"),
    [("", False), ("#user_allow_other\n", False), ("mount_max = 3\n  user_allow_other \n", True), (None, False)],
)
def test_fuse_conf_says_who_may_see_a_mount(tmp_path: Path, conf: str | None, allowed: bool) -> None:
    if conf is not None:
        (tmp_path / "fuse.conf").write_text(conf)
    assert conf_allows_others(str(tmp_path / "fuse.conf")) is allowed


@pytest.mark.root
def test_root_may_show_a_mount_to_others_or_not() -> None:
    assert [check_allow_other(wanted) for wanted in (None, True, False)] == [True, True, False]


def test_the_table_of_mounts_is_read() -> None:
    root = mount_at("/")
    assert root is not None and root.type
    assert root in mounts()
    proc = covering("/proc/self/fd")
    assert proc is not None and (proc.point, proc.type) == ("/proc", "proc")


def test_below_is_by_whole_names() -> None:
    assert is_below("/a/b", "/a") and is_below("/a", "/a") and is_below("/a", "/")
    assert not is_below("/ab", "/a") and not is_below("/", "/a")


def test_what_is_not_mounted_counts_as_unmounted(tmp_path: Path) -> None:
    unmount(str(tmp_path))
    unmount(str(tmp_path / "none"), lazy=True)
    assert tmp_path.is_dir()
