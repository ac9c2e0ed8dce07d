"""Credentials during the life of a mount: refreshed in time, and nowhere to be found afterwards."""

from __future__ import annotations

import base64
import errno
import os
import subprocess
from pathlib import Path

import pytest
from support import faultproxy as f
from support.accesskeys import Keys
from support.faultproxy import FaultProxy
from support.hosts import AT_MOST, Host, MakeHost, Reading, troubles
from support.radosgw import Radosgw

pytestmark = pytest.mark.mount


def test_credentials_that_expire_during_a_mount_are_refreshed(
    radosgw: Radosgw, host: Host, new_host: MakeHost, files: dict[str, bytes], tmp_path: Path
) -> None:
    keys = Keys(radosgw, tmp_path)
    first = keys.make()
    keys.give(first, seconds=120)
    fresh = new_host(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_CONFIG_FILE=str(tmp_path / "config"))
    point = fresh.mount("data")
    assert (point / "f00").read_bytes() == files["f00"]
    keys.give(keys.make(), seconds=120)
    keys.remove(first[0])
    assert {path.name: path.read_bytes() for path in point.iterdir()} == files
    # Nobody has keys any more: that is said to the program, and passes when there are some again.
    last = keys.made[0]
    keys.remove(last[0])
    fresh("umount", point)
    assert fresh("mount", "data", point, ok=False).returncode == 3
    keys.give(keys.make(), seconds=120)
    fresh("mount", "data", point)
    assert (point / "f11").read_bytes() == files["f11"]
    for key, _ in list(keys.made):
        keys.remove(key)


def below(directory: Path) -> dict[str, bytes]:
    found = {}
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found[str(path)] = path.read_bytes()
    return found


def test_the_secret_is_in_no_log_no_state_and_no_cache(
    radosgw: Radosgw, host: Host, new_host: MakeHost, files: dict[str, bytes], line: FaultProxy
) -> None:
    fresh = new_host(VFS_TIMEOUT="2")
    point = fresh.mount("data")
    assert (point / "f00").read_bytes() == files["f00"]
    said = [fresh("config").stdout, fresh("status", point, "--json").stdout]
    signatures = [head.partition("X-Amz-Signature=")[2][:64] for head in line.heads if "X-Amz-Signature=" in head]
    assert signatures
    for fault in (f.resets, f.answers(403, "InvalidAccessKeyId"), f.half):
        line.rule = fault
        assert Reading(point / "f05").ended(AT_MOST).errno in (errno.EIO, errno.EACCES)
        done = fresh("--debug", "cat", "data:f05", ok=False)
        assert done.returncode == 3
        said += [done.stdout, done.stderr]
    said.append(troubles(fresh, point).encode())
    line.rule = f.passed
    environment = subprocess.run(["env"], env=fresh.environment, capture_output=True, timeout=10, check=True)
    assert radosgw.secret_key.encode() in environment.stdout
    kept = {**below(fresh.state), **below(fresh.cache)}
    assert any(name.endswith("vfsd.log") for name in kept)
    secret = radosgw.secret_key.encode()
    forms = [secret, base64.b64encode(secret)[:-4], secret.hex().encode(), *(one.encode() for one in signatures)]
    for name, data in [*kept.items(), *((f"output {number}", text) for number, text in enumerate(said))]:
        assert not [form for form in forms if form in data], name
    assert os.listdir(point)
