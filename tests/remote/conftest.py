"""Hosts that share one bucket of a real S3 service."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from support.radosgw import Radosgw, radosgw

__all__ = ["radosgw"]


@pytest.fixture
def bucket(radosgw: Radosgw, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of its own, which the `vfs` of this test uses as its store."""
    name = f"b{secrets.token_hex(8)}"
    radosgw.make_bucket(name)
    settings = {"VFS_STORE": f"s3://{name}/p", "VFS_S3_ENDPOINT": radosgw.endpoint, "VFS_CACHE_FLOOR": "0"}
    for key, value in {**radosgw.environment, **settings}.items():
        monkeypatch.setenv(key, value)
    return name
