"""A store on a real S3 service behind a line that breaks, and hosts that use it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.faultproxy import FaultProxy, fault_proxy
from support.hosts import TIMEOUT, Host, MakeHost
from support.radosgw import Radosgw, radosgw

__all__ = ["radosgw"]


@pytest.fixture
def line(radosgw: Radosgw) -> Iterator[FaultProxy]:
    with fault_proxy(radosgw.port) as proxy:
        yield proxy


@pytest.fixture
def url(radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that is still to be made, in a bucket of its own; this process has the keys."""
    for name, value in radosgw.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"faults-{secrets.token_hex(6)}"
    radosgw.make_bucket(bucket)
    return f"s3://{bucket}/p"


@pytest.fixture
def new_host(isolated: Path, line: FaultProxy, url: str, radosgw: Radosgw) -> Iterator[MakeHost]:
    """`new_host(VFS_TIMEOUT="20")`: a fresh machine that reaches the service by the line."""
    made: list[Host] = []

    def make(**variables: str) -> Host:
        directory = isolated / f"host{len(made)}"
        directory.mkdir()
        usual = {
            "VFS_STORE": url,
            "VFS_S3_ENDPOINT": line.endpoint,
            "VFS_TIMEOUT": str(TIMEOUT),
            "VFS_AUTHOR": f"tester@host{len(made)}",
        }
        made.append(Host(directory, {**usual, **variables}))
        return made[-1]

    yield make
    line.clear()
    for host in made:
        host.umount_all()


@pytest.fixture
def host(new_host: MakeHost) -> Host:
    """A machine, and a store with the empty repo `data`."""
    made = new_host()
    made("init")
    made("repo", "create", "data")
    return made


@pytest.fixture
def files(host: Host) -> dict[str, bytes]:
    """Files of several chunks in a commit, by name."""
    source = host.directory / "source"
    source.mkdir()
    for number in range(12):
        (source / f"f{number:02d}").write_bytes(os.urandom((1 << 20) + number))
    host("put", "data", f"{source}/")
    return {path.name: path.read_bytes() for path in source.iterdir()}
