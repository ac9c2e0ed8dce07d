"""Commands about mounts: what they print, refuse and return. What a mount shows is tested elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]

pytestmark = pytest.mark.mount


@pytest.fixture
def repo(vfs: Vfs) -> str:
    """The repo `data` with two files."""
    vfs("init")
    vfs("repo", "create", "data")
    vfs("put", "data", "-", "--prefix", "file", input=b"content\n")
    vfs("put", "data", "-", "--prefix", "dir/other", input=b"other\n")
    return "data"


def parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def refused(done: subprocess.CompletedProcess[bytes], code: int, said: str) -> None:
    text = done.stderr.decode("utf-8", "backslashreplace")
    assert done.returncode == code, text
    assert text.startswith("vfs: ") and text.count("\n") == 1 and said in text, text


def test_a_mount_is_listed_described_and_ended(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    assert vfs("mount", repo, mountpoint).stdout == f"{mountpoint} shows data\n".encode()
    (found,) = parsed(vfs("mounts", "--json"))
    assert (found["mountpoint"], found["what"], found["mode"], found["state"]) == (
        str(mountpoint),
        "data",
        "ro",
        "alive",
    )
    assert vfs("mounts").stdout.split()[5:8] == [str(mountpoint).encode(), b"data", b"ro"]
    assert parsed(vfs("status", "--json"))[0]["daemon"]["state"] == "serving"
    assert b"serving" in vfs("status", mountpoint).stdout
    assert vfs("umount", mountpoint).stdout == f"{mountpoint} unmounted\n".encode()
    assert parsed(vfs("mounts", "--json")) == [] and list(mountpoint.iterdir()) == []


def journal_of(vfs: Vfs) -> list[dict[str, Any]]:
    return parsed(vfs("journal", "show", "--json"))


def test_the_session_of_a_mount_says_what_was_typed_and_where(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    vfs("mount", "--private", repo, "mnt", cwd=mountpoint.parent)
    assert (mountpoint / "file").read_text() == "content\n"
    vfs("umount", mountpoint)
    (start,) = [record["event"] for record in journal_of(vfs) if record["kind"] == "session-start"]
    assert start["command"] == ["vfs", "mount", "--private", repo, "mnt"]
    assert (start["cwd"], start["mountpoint"]) == (str(mountpoint.parent), str(mountpoint))
    assert [record["kind"] for record in journal_of(vfs)].count("read") == 1


def test_a_mount_with_lineage_off_records_no_open(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    vfs("mount", "--rw", "--lineage", "off", repo, mountpoint)
    assert (mountpoint / "file").read_text() == "content\n"
    (mountpoint / "new").write_text("new\n")
    assert b"off, no open is recorded" in vfs("status", mountpoint).stdout
    assert parsed(vfs("status", "--json"))[0]["daemon"]["lineage"] == "off"
    vfs("commit", mountpoint, "-m", "unobserved")
    vfs("umount", mountpoint)
    assert {record["kind"] for record in journal_of(vfs)} == {"session-start", "output", "commit", "session-end"}
    record = parsed(vfs("show", "--json", repo))["record"]
    assert (record["level"], record["reads"], record["processes"]) == ("none", [], [])


def test_a_store_named_by_a_relative_path_is_found_by_daemons_too(vfs: Vfs, isolated: Path, mountpoint: Path) -> None:
    env = {"VFS_STORE": "here"}
    assert b"is ready" in vfs("init", env=env).stdout
    assert f"export VFS_STORE={isolated}/other,".encode() in vfs("init", "./other", env=env).stderr
    vfs("repo", "create", "data", env=env)
    vfs("put", "data", "-", "--prefix", "file", input=b"content\n", env=env)
    vfs("mount", "data", mountpoint, env=env)
    assert (mountpoint / "file").read_text() == "content\n"
    vfs("umount", mountpoint, env=env)
    done = vfs(
        "--store", "./here", "run", "-i", "data", "-o", "out", "--", "cat", "/pfs/data/file", env={"VFS_STORE": ""}
    )
    assert done.stdout == b"content\n"


def test_a_path_of_a_revision_can_be_mounted(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    vfs("mount", f"{repo}:dir", mountpoint)
    assert [path.name for path in mountpoint.iterdir()] == ["other"]
    vfs("umount", mountpoint)


def test_all_repos_can_be_mounted(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    vfs("mount", "--all", mountpoint)
    assert (mountpoint / "data" / "main" / "file").read_bytes() == b"content\n"
    vfs("umount", mountpoint)


def test_mount_points_that_will_not_do(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    refused(vfs("mount", repo, mountpoint / "none", ok=False), 6, "no such directory")
    (mountpoint / "taken").touch()
    refused(vfs("mount", repo, mountpoint, ok=False), 6, "not empty")
    refused(vfs("mount", repo, mountpoint / "taken", ok=False), 6, "not a directory")
    (mountpoint / "taken").unlink()
    refused(vfs("mount", f"{repo}@none", mountpoint, ok=False), 1, "none")
    vfs("mount", repo, mountpoint)
    refused(vfs("mount", repo, mountpoint, ok=False), 6, "already")
    vfs("umount", mountpoint)
    refused(vfs("umount", mountpoint, ok=False), 6, "not a vfs mount")


def test_a_writable_mount_that_fails_leaves_no_layer(vfs: Vfs, repo: str, mountpoint: Path, isolated: Path) -> None:
    vfs("mount", "--rw", repo, mountpoint / "none", ok=False)
    assert list((isolated / "state" / "layers").iterdir()) == []
    refused(vfs("mount", "--rw", f"{repo}:dir", mountpoint, ok=False), 1, "whole tree")


def test_a_busy_mount_names_who_holds_it(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    vfs("mount", repo, mountpoint)
    with (mountpoint / "file").open():
        done = vfs("umount", mountpoint, ok=False)
        refused(done, 6, "busy: held by")
        assert b"--lazy" in done.stderr
        vfs("umount", "--lazy", mountpoint)
    assert not mountpoint.is_mount()


def test_writes_are_shown_committed_and_kept_over_a_remount(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    vfs("mount", "--rw", repo, mountpoint)
    (mountpoint / "new").write_text("new\n")
    (mountpoint / "file").unlink()
    assert vfs("diff", mountpoint).stdout == b"D  file\nA  new\n"
    assert vfs("status", mountpoint).stdout.endswith(b"2 changes; vfs commit keeps them, vfs discard drops them\n")
    vfs("umount", mountpoint)
    done = vfs("mount", "--rw", repo, mountpoint)
    assert b"goes on with what was written there" in done.stderr
    said = parsed(vfs("commit", mountpoint, "-m", "by hand", "--json"))
    assert said["changed"] and [found["path"] for found in said["outputs"]] == ["file", "new"]
    assert vfs("ls", repo).stdout == b"dir\nnew\n"
    shown = parsed(vfs("show", "--json", repo))
    assert shown["message"] == "by hand" and shown["record"]["kind"] == "mount"
    assert shown["record"]["inputs"][0]["repo"] == repo
    assert b"no change, no commit" in vfs("commit", mountpoint, "-m", "again").stdout
    vfs("umount", mountpoint)


def test_a_commit_can_go_to_another_branch(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    vfs("mount", "--rw", f"{repo}~1", mountpoint)
    (mountpoint / "new").write_text("new\n")
    vfs("commit", mountpoint, "-o", f"{repo}@side", "-m", "aside")
    assert vfs("ls", f"{repo}@side").stdout == b"file\nnew\n"
    assert vfs("ls", repo).stdout == b"dir\nfile\n"
    vfs("umount", mountpoint)


def test_discard_wants_an_unmounted_layer(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    vfs("mount", "--rw", repo, mountpoint)
    (mountpoint / "new").write_text("new\n")
    refused(vfs("discard", mountpoint, ok=False), 1, "unmount it first")
    vfs("umount", mountpoint)
    assert vfs("diff", "--stat", mountpoint).stdout.startswith(b"1 added, ")
    assert vfs("discard", mountpoint).stdout == f"{mountpoint}: changes discarded\n".encode()
    refused(vfs("status", mountpoint, ok=False), 1, "no writable layer")


def test_changes_of_another_writer_are_a_conflict(vfs: Vfs, repo: str, mountpoint: Path, isolated: Path) -> None:
    vfs("mount", "--rw", repo, mountpoint)
    (mountpoint / "file").write_text("mine\n")
    (isolated / "file").write_text("theirs\n")
    vfs("put", repo, isolated / "file")
    refused(vfs("commit", mountpoint, "-m", "mine", ok=False), 4, "file")
    assert vfs("cat", f"{repo}:file").stdout == b"theirs\n"
    assert (mountpoint / "file").read_text() == "mine\n"
    vfs("umount", mountpoint)


def test_foreground_serves_until_it_is_ended(vfs: Vfs, repo: str, mountpoint: Path) -> None:
    words = [sys.executable, "-m", "vfs.cli.main", "mount", "--foreground", "--metrics-port", "0", repo]
    done = subprocess.run([*words, mountpoint], capture_output=True, timeout=60, check=False)
    assert done.returncode == 2 and b"metrics-port" in done.stderr
    port = _free_port()
    words[6] = str(port)
    process = subprocess.Popen([*words, mountpoint], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        _wait_until(mountpoint.is_mount, process)
        assert (mountpoint / "file").read_bytes() == b"content\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            assert b"vfs_" in answer.read()
        process.terminate()
        assert process.wait(timeout=30) == 0
        assert not mountpoint.is_mount()
    finally:
        process.kill()
        process.communicate(timeout=20)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 40
    while not true():
        assert process.poll() is None, process.communicate(timeout=5)
        assert time.monotonic() < deadline
        time.sleep(0.05)
