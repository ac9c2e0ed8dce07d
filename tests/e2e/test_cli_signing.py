"""`vfs key`, `--sign` and what `vfs verify` says of signatures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def repo(vfs: Vfs, isolated: Path) -> str:
    vfs("init")
    vfs("repo", "create", "signed")
    for name in ("a", "b"):
        (isolated / name).write_text(name)
    vfs("key", "create", "ada")
    return "signed"


def verdict(vfs: Vfs, revision: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(vfs("verify", revision, "--json", *words, ok=False).stdout)
    return found


def object_of(isolated: Path, commit: str) -> Path:
    (path,) = (isolated / "store" / "repos" / "signed" / "signatures" / commit).iterdir()
    return path


def test_signed_unsigned_and_by_a_stranger(vfs: Vfs, repo: str, isolated: Path) -> None:
    vfs("put", repo, "a", cwd=isolated)
    done = vfs("verify", repo, "--require-signature", ok=False)
    assert (done.returncode, b"not signed" in done.stdout) == (1, True)
    assert b"no signature by a trusted key" in done.stderr
    vfs("put", repo, "b", "--sign", cwd=isolated)
    found = verdict(vfs, repo)
    assert found["trusted"] and found["ok"] and found["signatures"][0]["comment"] == "ada"
    assert vfs("verify", repo, "--require-signature").returncode == 0
    done = vfs("verify", repo, "--history", "--signatures-only", "--require-signature", ok=False)
    assert done.returncode == 1 and done.stdout.count(b"commit ") == 2 and b"page" not in done.stdout
    vfs("key", "sign", f"{repo}~1")
    assert vfs("verify", repo, "--history", "--require-signature").stdout.count(b"trusted") == 2
    vfs("key", "distrust", "ada")
    assert b"a key that is not trusted" in vfs("verify", repo).stdout
    assert vfs("verify", repo, "--require-signature", ok=False).returncode == 1
    assert b"(ada)" in vfs("show", repo).stdout and b"(ada)" in vfs("log", repo, "--signatures").stdout


@pytest.mark.parametrize("harm", ["flip", "garbage", "empty-ish", "huge", "copied", "misnamed"])
def test_a_bad_signature_is_named_and_is_no_traceback(vfs: Vfs, repo: str, isolated: Path, harm: str) -> None:
    vfs("put", repo, "a", "--sign", cwd=isolated)
    old = verdict(vfs, repo)["commit"]
    vfs("put", repo, "b", "--sign", cwd=isolated)
    path = object_of(isolated, verdict(vfs, repo)["commit"])
    data = path.read_bytes()
    if harm == "copied":
        path.write_bytes(object_of(isolated, old).read_bytes())
    elif harm == "misnamed":
        path.rename(path.with_name("0123456789abcdef"))
    else:
        altered = data[:-1] + bytes([data[-1] ^ 1])
        path.write_bytes({"flip": altered, "garbage": b"\xc1" * 99, "empty-ish": b"\0", "huge": b"x" * 9999}[harm])
    for words in (("verify", repo), ("verify", repo, "--signatures-only", "--require-signature")):
        done = vfs(*words, ok=False)
        assert done.returncode == 5
        assert b"repos/signed/signatures/" in done.stderr and b"bad signatures" in done.stderr
    assert verdict(vfs, repo)["signatures"][0]["standing"] == "bad"
    assert b"bad: " in vfs("show", repo).stdout


def test_every_command_that_commits_signs(vfs: Vfs, repo: str, isolated: Path) -> None:
    sign = {"VFS_SIGN": "ada"}
    vfs("put", repo, "a", cwd=isolated, env=sign)
    vfs("branch", "create", f"{repo}@side", repo)
    vfs("put", f"{repo}@side", "b", cwd=isolated, env=sign)
    (isolated / "a").write_text("changed")
    vfs("put", repo, "a", "--sign-key", "ada", cwd=isolated)
    vfs("merge", repo, f"{repo}@side", env=sign)
    vfs("reset", f"{repo}:a", f"{repo}@side", "--sign")
    vfs("rm", f"{repo}:b", "--sign")
    vfs("revert", repo, env=sign)
    listed = json.loads(vfs("verify", repo, "--history", "--signatures-only", "--json").stdout)
    assert len(listed) >= 7 and all(one["trusted"] for one in listed)
    vfs("rm", f"{repo}:b", "--no-sign", env=sign)
    assert verdict(vfs, repo)["signatures"] == []


def test_a_key_that_cannot_be_had_stops_the_command_before_it_works(vfs: Vfs, repo: str, isolated: Path) -> None:
    vfs("key", "create", "locked", "--passphrase", env={"VFS_KEY_PASSPHRASE": "open"})
    for words, env, cause in (
        (("--sign",), {}, b"2 private keys"),
        (("--sign-key", "nobody"), {}, b"key nobody: not here"),
        (("--sign-key", "locked"), {}, b"needs its passphrase"),
        (("--sign-key", "locked"), {"VFS_KEY_PASSPHRASE": "wrong"}, b"does not open it"),
    ):
        done = vfs("put", repo, "a", *words, cwd=isolated, env=env, ok=False)
        assert done.returncode == 1 and cause in done.stderr and done.stderr.startswith(b"vfs: cannot sign: ")
    assert not (isolated / "store" / "repos" / repo / "commits").exists()
    vfs("put", repo, "a", "--sign-key", "locked", cwd=isolated, env={"VFS_KEY_PASSPHRASE": "open"})
    assert verdict(vfs, repo)["trusted"]


def test_keys_travel_between_users(vfs: Vfs, repo: str, isolated: Path) -> None:
    vfs("put", repo, "a", "--sign", cwd=isolated)
    other = {"VFS_STATE_DIR": str(isolated / "other")}
    line = vfs("key", "export", "ada").stdout
    assert b"imported" in vfs("key", "import", "-", "--trust", input=line, env=other).stdout
    assert b"trusted" in vfs("verify", repo, "--require-signature", env=other).stdout
    pem = isolated / "backup.pem"
    vfs("key", "export", "ada", "--private", "-o", pem)
    assert pem.stat().st_mode & 0o777 == 0o600
    third = {"VFS_STATE_DIR": str(isolated / "third")}
    vfs("key", "import", pem, "--comment", "ada again", env=third)
    vfs("put", repo, "b", "--sign", cwd=isolated, env=third)
    assert b"(ada)" in vfs("verify", repo, "--require-signature").stdout
    listed = json.loads(vfs("key", "list", "--json", env=third).stdout)
    assert [(one["private"], one["trusted"], one["comment"]) for one in listed] == [(True, True, "ada again")]
    assert vfs("key", "delete", "ada", ok=False).returncode == 1
    vfs("key", "delete", "ada", "--force")
    assert vfs("key", "list").stdout == b""


def test_objects_that_sign_no_commit_are_listed_and_removed(vfs: Vfs, repo: str, isolated: Path) -> None:
    vfs("put", repo, "a", "--sign", cwd=isolated)
    assert vfs("key", "strays", repo).stdout == b""
    kept = object_of(isolated, verdict(vfs, repo)["commit"])
    stray = kept.parent.parent / ("ab" * 32) / kept.name
    stray.parent.mkdir()
    stray.write_bytes(kept.read_bytes())
    (kept.parent / "note").write_bytes(b"x")
    expected = [f"repos/{repo}/signatures/{'ab' * 32}/{kept.name}", f"repos/{repo}/signatures/{kept.parent.name}/note"]
    assert sorted(json.loads(vfs("key", "strays", repo, "--json").stdout)) == sorted(expected)
    assert b"not the name of a signature" in vfs("verify", repo, ok=False).stderr
    vfs("key", "strays", repo, "--delete")
    assert vfs("verify", repo, "--require-signature").returncode == 0
    assert vfs("key", "strays", repo).stdout == b"" and not stray.exists() and kept.exists()


@pytest.mark.mount
def test_a_run_is_signed_and_its_program_does_not_see_the_passphrase(vfs: Vfs, repo: str, isolated: Path) -> None:
    vfs("put", repo, "a", cwd=isolated)
    secret = {"VFS_KEY_PASSPHRASE": "open-sesame"}
    vfs("key", "create", "locked", "--passphrase", env=secret)
    words = ("run", "-i", repo, "-o", "out", "--sign-key", "locked", "--", "sh", "-c", "env > /pfs/out/env")
    vfs(*words, env=secret)
    assert verdict(vfs, "out", "--require-signature")["trusted"]
    assert b"open-sesame" not in vfs("cat", "out:env").stdout
    assert b"open-sesame" not in vfs("show", "out", "--json").stdout
