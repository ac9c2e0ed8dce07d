"""Signatures in a real S3 service: written on one host, verified on another, removed with the repo."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


def test_a_commit_is_signed_on_one_host_and_verified_on_another(vfs: Vfs, bucket: str, isolated: Path) -> None:
    vfs("init")
    vfs("repo", "create", "data")
    (isolated / "a").write_text("a")
    vfs("key", "create", "ada")
    vfs("put", "data", isolated / "a", "--sign")
    other = {"VFS_STATE_DIR": str(isolated / "other"), "VFS_CACHE_DIR": str(isolated / "other-cache")}
    done = vfs("verify", "data", "--require-signature", env=other, ok=False)
    assert done.returncode == 1 and b"a key that is not trusted" in done.stdout
    vfs("key", "import", "-", "--trust", input=vfs("key", "export", "ada").stdout, env=other)
    (signature,) = json.loads(vfs("verify", "data", "--require-signature", "--json", env=other).stdout)["signatures"]
    assert signature["standing"] == "trusted"
    (isolated / "b").write_text("b")
    vfs("put", "data", isolated / "b", "--no-sign", env=other)
    vfs("key", "sign", "data")
    assert vfs("verify", "data", "--history", "--signatures-only", "--require-signature").returncode == 0
    vfs("repo", "delete", "data", "--force")
    assert vfs("repo", "list").stdout == b""
