"""Hosts that share nothing but the store, at the same moment: nothing is lost, and nobody overwrites anybody."""

from __future__ import annotations

import json
import os

import pytest
from support.hosts import Host, MakeHost, finish

PROCESSES = 20


def messages(host: Host) -> list[str]:
    return [commit["message"] for commit in json.loads(host("log", "data", "--json").stdout)]


@pytest.mark.mount
@pytest.mark.root
def test_two_hosts_commit_their_layers_to_one_branch(host: Host, new_host: MakeHost) -> None:
    source = host.directory / "source"
    source.mkdir()
    (source / "shared").write_text("first")
    host("put", "data", f"{source}/", "-m", "first")
    other = new_host()
    points = [one.mount("--rw", "data") for one in (host, other)]
    for name, point in zip("ab", points, strict=True):
        (point / name).mkdir()
        (point / name / "file").write_bytes(os.urandom(300_000))
    expected = {name: (point / name / "file").read_bytes() for name, point in zip("ab", points, strict=True)}
    running = [
        one.start("commit", "-m", f"from {name}", point)
        for name, one, point in zip("ab", (host, other), points, strict=True)
    ]
    assert [finish(process).returncode for process in running] == [0, 0]
    assert sorted(messages(host)) == ["first", "from a", "from b"]
    third = new_host()
    shown = third.mount("data")
    assert {name: (shown / name / "file").read_bytes() for name in "ab"} == expected
    # The same path on both: one is refused and keeps what it wrote.
    for word, point in zip(("mine", "yours"), points, strict=True):
        (point / "shared").write_text(word)
    running = [one.start("commit", "-m", "shared", point) for one, point in zip((host, other), points, strict=True)]
    done = [finish(process) for process in running]
    assert sorted(one.returncode for one in done) == [0, 4]
    (refused,) = [one for one in done if one.returncode]
    assert b"shared" in refused.stderr
    won = next(word for one, word in zip(done, ("mine", "yours"), strict=True) if one.returncode == 0)
    assert third("cat", "data:shared").stdout == won.encode()
    assert [point.joinpath("shared").read_text() for point in points] == ["mine", "yours"]
    assert len(messages(third)) == 4


def test_twenty_processes_put_to_one_branch(host: Host, new_host: MakeHost) -> None:
    hosts = [host, *(new_host(VFS_TIMEOUT="60") for _ in range(3))]
    for number in range(PROCESSES):
        (host.directory / f"file{number}").write_bytes(os.urandom(20_000))
    running = [
        hosts[number % len(hosts)].start("put", "data", host.directory / f"file{number}", "-m", f"put {number}")
        for number in range(PROCESSES)
    ]
    done = [finish(process, timeout=110) for process in running]
    assert [one.returncode for one in done] == [0] * PROCESSES, [one.stderr for one in done]
    assert sorted(messages(host)) == sorted(f"put {number}" for number in range(PROCESSES))
    assert host("verify", "data").returncode == 0
    names = {entry["path"] for entry in json.loads(host("ls", "data", "--json").stdout)}
    assert names == {f"file{number}" for number in range(PROCESSES)}
